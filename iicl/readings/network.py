"""How this project reads the paper where it defines co-attention and heads (III-A to III-D)."""

from iicl.readings.entry import Interpretation, Setting

NETWORK: tuple[Interpretation, ...] = (
    Interpretation(
        9,
        "What co-attention attends over",
        "III-A defines F as the matrix of a set's features, and eq. 1 attends from F_a to F_v; "
        "III-B speaks of interactions between streams, which in cited work are tokens of one item.",
        "The rows of a batch, N x d, as F is defined. It does not leak the pairing.",
        "The tokens of one item. Each output then depends on both modalities of its pair, so the "
        "contrastive loss falls even if video and sound are independent noise. Or no attention.",
        (Setting("IICL.co_attention", "batch", ("token", "none")),),
    ),
    Interpretation(
        10,
        "Parts of the attention block",
        "III-B names a transformer block of depth 1, and prints bare scaled dot-product attention.",
        "Eq. 1 and nothing else: one head, no projections, residual, norm layer or feed-forward.",
        "Each of these parts by itself. A residual adds the query (the other modality). A residual "
        "that adds the attended stream itself would leak the pairing and is not offered. Several "
        "heads are not offered either.",
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
        "In III-B the visual stream has audio queries and visual values; in token form it "
        "therefore has as many tokens as the audio.",
        "H_v is the stream whose values are visual; token outputs are averaged to one row an item.",
        "Naming a stream by its query. This only exchanges the two directions of a symmetric loss.",
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
        "III-C and III-D project h. Where an item has only one modality, only f exists.",
        "h, as written.",
        "f: the heads then have the same input in training and in use. The co-attention would not "
        "be trained by any loss, and is therefore left out.",
        (Setting("IICL.head_input", "h", ("f",)),),
    ),
    Interpretation(
        14,
        "Use with one modality",
        "II-B promises use with any single modality, but h cannot be computed from one modality.",
        "Encoder features f for every downstream task, and the heads on f where a head is needed. "
        "With uniform weights, batch co-attention would return the mean of the batch, and token "
        "co-attention returns exactly f.",
        "Leaving out co-attention at random in training, which the paper does not mention.",
    ),
    Interpretation(
        29,
        "Clusters of new items",
        "The introduction promises cluster labels for new items without a pass over the data.",
        "The largest entry of g_clu(f).",
        "k-means on features, which is not online; used where Table II has no cluster head.",
    ),
    Interpretation(
        34,
        "Which R(2+1)D-18 and which ResNet",
        "IV-B names R(2+1)D and ResNet, and Table V R(2+1)D-18. That table has three networks "
        "under the first name, of 15.4 (AVID), 31.3 (GDT) and 33.4 million parameters (XDC).",
        "torchvision's R(2+1)D-18 (31.3 million), as in GDT, and ResNet-18, as in XDC. "
        "Both end in a mean over positions, with 512 numbers.",
        "ResNet-9 for sound, as in GDT: `encoders: {audio_depth: 1}`. The other two video "
        "networks are not offered; a folder in iicl/encoders would add one.",
    ),
    Interpretation(
        35,
        "Inside the heads",
        "III-C and III-D give g_ins and g_clu two fully connected layers each and the sizes of "
        "their outputs, nothing else.",
        "As many hidden units as a feature has numbers, ReLU, no batch norm and no dropout. g_clu "
        "ends in a softmax, since III-D takes an entry of y as the probability of a cluster.",
        "Batch norm and dropout of 0.3 between the layers, as in GDT; another hidden width; rows "
        "of Y without the softmax. Not switchable here.",
    ),
    Interpretation(
        45,
        "Gradient through keys and values of the attention",
        "Eq. 1 has one F_v as keys and values. Nothing is said of a stop of the gradient.",
        "The gradient flows through queries, keys and values, as it does through any equation.",
        "A stop at keys and values, with which H_v would train the audio encoder alone. Detached "
        "keys of the loss are entry 7. Not switchable here.",
    ),
)
