"""What the paper leaves open or contradicts, and how this project reads it. Imports no torch.

One entry for each such place: what the paper says, our default and the reason for it, what else it
could mean. Where a reading is a setting, the entry names the class and field with its default and
the alternatives on offer; the field carries the entry's number as ``[n]``. ``IICL`` is the class of
settings in :mod:`iicl.methods.iicl`; the others are in :mod:`iicl.config`, :mod:`iicl.pretraining`
and :mod:`iicl.protocols`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A field of a settings class that an interpretation chooses.

    Attributes:
        field: class and field, e.g. "IICL.similarity".
        default: the value that our reading asks for; the field's default.
        alternatives: other values worth measuring; for a number, examples.
    """

    field: str
    default: object
    alternatives: tuple[object, ...]


@dataclass(frozen=True)
class Interpretation:
    """One place where the paper must be read.

    Attributes:
        number: as cited in comments, from 1.
        title: what it is about.
        paper: what the paper says, with its section.
        default: our reading and why.
        alternatives: other readings, and whether they are offered.
        settings: the fields that hold the choice; empty where it touches no setting.
    """

    number: int
    title: str
    paper: str
    default: str
    alternatives: str
    settings: tuple[Setting, ...] = ()


INTERPRETATIONS: tuple[Interpretation, ...] = (
    Interpretation(
        1,
        "Norm in the similarity",
        "III-C calls its similarity cosine, but prints L1 norms in the denominator.",
        "L2 norms. With L1 norms over 1024 dimensions even identical vectors score about 0.0015, "
        "all logits are equal and the loss cannot leave log N; the printed 1 is a slip.",
        "The formula as printed.",
        (Setting("IICL.similarity", "l2", ("l1",)),),
    ),
    Interpretation(
        2,
        "Space of the instance loss",
        "III-C defines the similarity on h and then writes eq. 3 with z = g_ins(h).",
        "z, as in the equation that is optimised; otherwise g_ins would be without a purpose.",
        "h itself; g_ins is then not built.",
        (Setting("IICL.instance_space", "z", ("h",)),),
    ),
    Interpretation(
        3,
        "Margin",
        "Eq. 2 asks for a margin eps between positive and negative; no later equation has one.",
        "No margin: eq. 2 motivates eq. 3, which is complete without it, and no value is given.",
        "A margin taken off the positive's similarity (AM-softmax).",
        (Setting("IICL.instance_margin", 0.0, (0.1, 0.2)),),
    ),
    Interpretation(
        4,
        "Norm in the cluster probabilities",
        "III-D divides column sums of Y by ||Y||_1 and does not say which matrix norm that is.",
        "The sum of all entries, which is N for rows that sum to 1: P is then a distribution, the "
        "mean assignment of the batch, and H(Y) an entropy.",
        "The induced norm (largest column sum), with which P does not sum to 1.",
        (Setting("IICL.assignment_norm", "entrywise", ("induced",)),),
    ),
    Interpretation(
        5,
        "Sign and weight of the entropy",
        "Eq. 6 subtracts H(Y), summed over both modalities, without weight or normalisation.",
        "As printed, weight 1: H is non-negative, so descending balances the clusters. For uniform "
        "rows the term cancels both column losses exactly.",
        "Other weights, none (0), the mean over modalities (0.5); dividing by log C is the weight "
        "1 / log C.",
        (Setting("IICL.entropy_weight", 1.0, (0.0, 0.5)),),
    ),
    Interpretation(
        6,
        "Name of the cluster temperature",
        "Eq. 5 has tau_clu; IV-B gives a value, 0.5, for tau_cls.",
        "One temperature under two names: 0.5.",
        "None as a reading. Related work uses far lower temperatures, so its effect is measured.",
        (Setting("IICL.cluster_temperature", 0.5, (0.1, 1.0)),),
    ),
    Interpretation(
        7,
        "Encoders trained 'respectively'",
        "III-E says that in the initialisation the two encoders are pretrained on L_ins, each "
        "respectively.",
        "Jointly: eqs. 3 and 4 are defined across the modalities only.",
        "Detached keys, so that each direction trains the encoder of its anchors. A loss within "
        "each modality has no equation in the paper and is not offered.",
        (Setting("IICL.detach_keys", False, (True,)),),
    ),
    Interpretation(
        8,
        "What the initialisation holds, and what it hands on",
        "III-E trains the multimodal encoder alone with L_ins first. Nothing is said of "
        "co-attention there, nor of g_ins and the optimiser when the co-training begins.",
        "Encoders and g_ins with h = f; co-attention and g_clu begin with the co-training. Literal "
        "batch co-attention on fresh encoders makes all rows alike and the loss stays at log N. "
        "g_ins goes on; the optimiser starts anew, as its parameters are others.",
        "Co-attention in both phases; a fresh g_ins; the optimiser's moments kept.",
        (
            Setting("IICL.co_attention_in_initialisation", False, (True,)),
            Setting("PretrainSettings.keep_instance_head", True, (False,)),
            Setting("PretrainSettings.keep_optimiser", False, (True,)),
        ),
    ),
    Interpretation(
        9,
        "What co-attention attends over",
        "III-A defines F as the matrix of a set's features, and eq. 1 attends from F_a to F_v; "
        "III-B speaks of interactions between streams, which in cited work are tokens of one item.",
        "The rows of a batch, N x d, as F is defined. It does not leak the pairing.",
        "The tokens of one item: each output then holds both modalities of its pair, and the "
        "contrastive loss falls on independent noise too. Or none.",
        (Setting("IICL.co_attention", "batch", ("token", "none")),),
    ),
    Interpretation(
        10,
        "Parts of the attention block",
        "III-B names a transformer block of depth 1, and prints bare scaled dot-product attention.",
        "Eq. 1 and nothing else: one head, no projections, residual, norm layer or feed-forward.",
        "Each of these parts by itself. A residual takes the query (the other modality); that of "
        "the attended stream itself would leak the pairing and is not offered. Several heads are "
        "not offered either.",
        (
            Setting("IICL.co_attention_projections", False, (True,)),
            Setting("IICL.co_attention_residual", "none", ("query",)),
            Setting("IICL.co_attention_norm", "none", ("layer",)),
            Setting("IICL.co_attention_feed_forward", False, (True,)),
        ),
    ),
    Interpretation(
        11,
        "Which attended stream is the visual one",
        "III-B: the visual stream has audio queries and visual values; in token form it therefore "
        "has as many tokens as the audio.",
        "H_v is the stream whose values are visual; token outputs are averaged to one row an item.",
        "Naming by the query, which only exchanges the two directions of a symmetric loss.",
    ),
    Interpretation(
        12,
        "Heads shared by the modalities",
        "III-C and III-D write one g_ins and one g_clu, without a modality index.",
        "One head of each kind for both modalities, as written.",
        "A head for each modality, as other audio-visual systems have.",
        (Setting("IICL.heads", "shared", ("separate",)),),
    ),
    Interpretation(
        13,
        "Input of the heads",
        "III-C and III-D project h; wherever only one modality is at hand, only f exists.",
        "h, as written.",
        "f: the heads then see in training what they see in use. Nothing would train a "
        "co-attention, which is therefore left out.",
        (Setting("IICL.head_input", "h", ("f",)),),
    ),
    Interpretation(
        14,
        "Use with one modality",
        "II-B promises use with any single modality; h cannot be computed from one.",
        "Encoder features f for every downstream task, and the heads on f where a head is needed. "
        "Batch co-attention with uniform weights would return the batch mean, token co-attention "
        "with uniform weights returns exactly f.",
        "Dropping co-attention at random while training, which the paper does not mention.",
    ),
    Interpretation(
        15,
        "Cross-modal retrieval",
        "IV-D.3 reports mAP of instance-level retrieval between modalities, gallery size unsaid.",
        "z = g_ins(f) without co-attention, which would let query and gallery see each other. With "
        "one relevant item mAP is the mean reciprocal rank, which depends on the gallery's size.",
        "Class-level mAP alone; a gallery of one batch.",
    ),
    Interpretation(
        16,
        "Fine-tuning accuracy in Tables I and V",
        "UCF101 after AudioSet is 94.3 in Table I (C = 400, split 1) and 92.8 in Table V, whose "
        "training IV-E calls extended.",
        "Table V is a mean over three splits. That does not explain 1.5 points, every row of Table "
        "I being higher: the check of the paper against itself shows it.",
        "Different recipes for the two tables.",
    ),
    Interpretation(
        17,
        "R@1 in Tables I and IV",
        "UCF101 R@1 is 59.3 in Table I and 56.8 in Table IV.",
        "No conflict: Table I pretrains on AudioSet (IV-D.1), Table IV on UCF101 (IV-E).",
        "None.",
    ),
    Interpretation(
        18,
        "Features for retrieval",
        "IV-C.1 takes the encoder's features; IV-E takes those of the instance-level module.",
        "The pooled encoder feature f, which exists for silent videos and is what IV-C describes "
        "for all tasks.",
        "z = g_ins(f).",
        (Setting("Retrieval.space", "f", ("z",)),),
    ),
    Interpretation(
        19,
        "Pretraining on UCF101, half of which is silent",
        "IV-E pretrains on UCF101; only about half of its videos, 51 of 101 classes, have sound. "
        "IV-A drops silent videos of Kinetics.",
        "Silent items are dropped, as in Kinetics; half of the test classes are then unseen.",
        "Zeros for their sound, which makes one constant the positive of half of the batch.",
        (Setting("PretrainSettings.silent_items", "drop", ("zero",)),),
    ),
    Interpretation(
        20,
        "The row 'L_clu' of Table II",
        "IV-D.2 removes one of the two modules; whether the first phase, which is L_ins, stays is "
        "unsaid.",
        "It goes with its module: both phases descend L_clu, as long as in the other rows and "
        "without lambda, which would only scale the loss. Co-attention begins with the second "
        "phase, as in the other rows.",
        "L_ins in the first phase, which is then the very run that the other rows start from, and "
        "L_clu alone in the second; the removed module still had its say.",
        (Setting("IICL.cluster_start", "cluster", ("instance",)),),
    ),
    Interpretation(
        21,
        "Clip and sound in time",
        "IV-B pairs 32 frames at 30 fps (1.07 s) with 2 s of audio; their alignment is unsaid.",
        "Common centre: what is heard surrounds what is seen.",
        "Common start.",
        (Setting("Clip.alignment", "centred", ("start",)),),
    ),
    Interpretation(
        22,
        "Training recipe",
        "IV-B gives optimiser, rate, decay, batch and epochs. Schedule, augmentation and clips per "
        "video and epoch are unsaid; III only mentions augmented samples.",
        "Constant rate, one clip per video and epoch, and the mild clip-consistent crop, flip, "
        "colour jitter and volume that cited systems share.",
        "A cosine schedule, more clips per epoch, no augmentation.",
        (
            Setting("Optimisation.schedule", "constant", ("cosine",)),
            Setting("PretrainSettings.clips_per_item", 1, (2, 10)),
            Setting("Augmentation.crop_fraction", (0.8, 1.0), ((1.0, 1.0), (0.4, 1.0))),
            Setting("Augmentation.flip_probability", 0.5, (0.0,)),
            Setting("Augmentation.colour_jitter", 0.4, (0.0,)),
            Setting("Augmentation.colour_jitter_probability", 0.8, (0.0,)),
            Setting("Augmentation.volume", 0.1, (0.0,)),
        ),
    ),
    Interpretation(
        23,
        "Scale of the largest corpora",
        "Table V pretrains on AudioSet and IG65M with the schedule of IV-B, 600 epochs.",
        "Stated as it is in the plan of the paper scale. On 1.8 million clips that is some 680 "
        "EFLOP for one run, improbable as written; IG65M is not public and its rows cannot run.",
        "Epochs over a part of the corpus.",
    ),
    Interpretation(
        24,
        "State of the art on Kinetics-400 and AudioSet",
        "IV-E claims the best Kinetics result of those listed; HMDB 61.5 is bold, CoCLR has 62.9.",
        "The claim is checked against the table's own numbers and fails for HMDB51. On AudioSet "
        "the method is below XDC on UCF101 and below GDT on HMDB51.",
        "None.",
    ),
    Interpretation(
        25,
        "Bold marks of the IG65M row",
        "Table V marks 95.8 on UCF101 but not 72.5 on HMDB51, where GDT has 72.8.",
        "The marks agree with the numbers.",
        "None.",
    ),
    Interpretation(
        26,
        "'Inter' and 'intra'",
        "The abstract speaks of variance within clips; III-C and III-D contrast rows and columns "
        "of batch matrices.",
        "Inter is the instance loss over rows, intra the cluster loss over columns. No term looks "
        "at time within a clip.",
        "None in the equations.",
    ),
    Interpretation(
        27,
        "N",
        "III-A makes N the number of clips of the training set; eq. 3 sums over N candidates.",
        "N in the equations is the batch, 256 in IV-B; the whole batch, over all chunks.",
        "A memory bank of the whole set, which the paper does not describe.",
    ),
    Interpretation(
        28,
        "Size of Kinetics-400",
        "IV-A filters out around 7 thousand silent videos and does not say how many remain.",
        "Whatever is there and has sound, counted in the corpus's manifest; published copies have "
        "about 231 to 232 thousand.",
        "None: no two copies are equal.",
    ),
    Interpretation(
        29,
        "Clusters of new items",
        "The introduction promises cluster labels for new items without a pass over the data.",
        "The largest entry of g_clu(f).",
        "k-means on features, which is not online; used where Table II has no cluster head.",
    ),
    Interpretation(
        30,
        "What batch norm sees",
        "IV-B gives the batch, 256, and neither the devices it was spread over nor whether their "
        "statistics were shared.",
        "32 items, the share of one of eight devices. The losses see the whole batch; batch norm "
        "sees a chunk, and its running statistics move once per step by the mean over chunks.",
        "The whole batch, or smaller chunks.",
        (Setting("Optimisation.chunk_size", 32, (8, 256)),),
    ),
    Interpretation(
        31,
        "Clusters, split and C of Table II",
        "IV-D.2 reports NMI and ACC on UCF101 and HMDB51, with k-means where L_clu is removed. It "
        "names neither the split nor C, nor how clusters are matched to classes for ACC.",
        "The test items of fold 1; as many clusters as classes, matched one to one. At C = 400 "
        "balanced clusters, which H(Y) asks for, could not match more than 101 / 400 of UCF101 one "
        "to one, and 77.1 % are reported: either C is another one here or the matching is.",
        "C = 400 and the majority class of each cluster, which is the purity beside each ACC; "
        "k-means on encoder features in every row; all items in place of the test items.",
        (
            Setting("Clustering.items", "test", ("all",)),
            Setting("Clustering.assign", "argmax", ("kmeans",)),
        ),
    ),
    Interpretation(
        32,
        "What Table VI is pretrained on, and what 96.8 is",
        "IV-E and Table VI give 96.8 on DCASE and name neither the pretraining corpus nor what is "
        "counted. The test set of 2013 has 100 recordings: any accuracy over them is a whole "
        "number of per cent.",
        "Pretrained on AudioSet, the corpus of sounds among those of the paper. Recordings are "
        "counted, each by the mean score of its windows, and averaged over seeds: five of them "
        "allow steps of 0.2. The accuracy over windows stands beside it.",
        "Windows as what the paper counts; Kinetics-400 as the corpus; another test set.",
    ),
)
