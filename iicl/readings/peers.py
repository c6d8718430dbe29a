"""What the sources of the compared systems leave open, or say in different ways."""

from iicl.readings.entry import Interpretation, Setting

PEERS = (
    Interpretation(
        48,
        "GDT: negatives of transformed copies",
        "The official code takes all copies of other ranks as negatives and, for the invariant "
        "hypotheses, one kind of copy of the own rank; some of them enter the sum more than once.",
        "The limit of many ranks, each negative once: all copies of other items that the "
        "hypothesis compares. For the variant hypotheses that is the official set.",
        "The sets of one rank alone. Not switchable here.",
    ),
    Interpretation(
        49,
        "GDT: batch norm in the heads",
        "The official heads have batch norm that is synchronised over 128 to 512 items.",
        "It normalises a chunk, as every batch norm in a pretraining here does [30].",
        "Statistics over the whole batch. Not switchable here.",
    ),
    Interpretation(
        50,
        "AVTS: its curriculum",
        "There is no official code, and the body of the paper could not be read. Other works "
        "report a margin of 0.99, 50 of some 90 epochs with easy negatives alone, and a quarter of "
        "hard ones from then on.",
        "These shares, with the switch after half of the epochs. Embeddings have length 1. The "
        "easy negative of a video is the sound of the next item of the batch.",
        "Another switch or share. Embeddings of any length are not switchable here.",
        (
            Setting("AVTS.margin", 0.99, (0.5,)),
            Setting("AVTS.hard_share", 0.25, (0.5,)),
            Setting("AVTS.easy_part", 0.5, (1.0,)),
        ),
    ),
    Interpretation(
        51,
        "XDC: how long a round of clusters lasts",
        "No training code will appear. The authors say that a round ends when a validation loss "
        "saturates; others take a fixed number of epochs.",
        "One epoch, that is all passes of clips_per_item.",
        "More epochs in a round.",
        (Setting("XDC.epochs_per_round", 1, (5,)),),
    ),
    Interpretation(
        52,
        "XDC: features that are clustered, and their number of clusters",
        "Whether features are centred, normalised or whitened before k-means could not be read; "
        "64 to 256 clusters are reported for Kinetics-400 and AudioSet.",
        "Centred and of length 1: untrained features nearly point one way. 128 clusters.",
        "Other numbers of clusters. DeepCluster's whitening is not switchable here.",
        (Setting("XDC.clusters", 128, (64, 256)),),
    ),
    Interpretation(
        53,
        "AVID: where the banks begin",
        "The official banks begin as random directions, so that in the first epoch every positive "
        "is one; the authors therefore take ten clips of an item in an epoch.",
        "Random directions, as officially.",
        "One pass over all items fills them, which small scales take: with few epochs the first "
        "one would be lost.",
        (Setting("BankSettings.start", "random", ("filled",)),),
    ),
    Interpretation(
        54,
        "AVID-CMA: when positives are mined",
        "The official configuration mines them before every fifth epoch, each of ten clips of an "
        "item.",
        "Before every fifth epoch.",
        "Before each, which small scales take.",
        (Setting("AVIDCMA.mine_every", 5, (1,)),),
    ),
    Interpretation(
        55,
        "AVID and GDT: three networks called R(2+1)D-18",
        "The networks of GDT, XDC and AVID have 31.3, 33.2 and 15.4 million parameters: "
        "torchvision's, one whose middle channels are counted for each convolution, and one with a "
        "three-dimensional stem and a maximum over all places.",
        "Tables IV to VI take each system's own; the table of compared methods takes torchvision's "
        "for all.",
        "Another encoder is named in a table's row.",
    ),
    Interpretation(
        56,
        "VCOP: crops",
        "The official code crops each clip by itself. It means to crop all frames of a clip alike, "
        "but re-seeds a generator that torchvision no longer uses, so that crops shake.",
        "A crop of its own for each clip, the same for all its frames.",
        "One crop for the three clips (crop 1.0).",
        (Setting("VCOP.crop", 0.875, (1.0,)),),
    ),
    Interpretation(
        57,
        "ST-Puzzle: sizes of the pieces, and which network sees which puzzle",
        "There is no official code, and the body of the paper could not be read. Other works "
        "report 2 x 2 x 4 cells, pieces of 80 x 80 pixels and 16 frames, and one colour for all "
        "three.",
        "These. One network sees spatial and temporal puzzles, an item one of them with equal "
        "chances, and has a head for each kind.",
        "One kind alone; slots of the whole frame, which small frames need; three colours.",
        (
            Setting("STPuzzle.kinds", "both", ("temporal", "spatial")),
            Setting("STPuzzle.temporal_grid", 2, (1,)),
            Setting("STPuzzle.channel_replication", True, (False,)),
        ),
    ),
    Interpretation(
        58,
        "SpeedNet: how a clip is made faster, and where it lies",
        "There is no official code, and the body of the paper could not be read. Factors of 1.7 "
        "to 2.2, by skipping frames at random, are reported.",
        "Every second frame. The normal clip lies in the middle of the fast one, so that their "
        "times in the video tell nothing.",
        "A larger factor.",
        (Setting("SpeedNet.speed", 2, (3,)),),
    ),
    Interpretation(
        59,
        "Optimisers of the compared systems",
        "GDT, AVTS, XDC and VCOP descend by SGD with schedules of their own; AVID by Adam; those "
        "of SpeedNet and ST-Puzzle could not be read.",
        "Adam with a constant rate for every method, as for IICL, so that methods are compared "
        "and not recipes; small scales choose the rate of each by the same budget.",
        "SGD with a momentum of 0.9; schedules with milestones are not offered.",
        (Setting("Optimisation.optimiser", "adam", ("sgd", "adamw")),),
    ),
    Interpretation(
        60,
        "S3D: batch norm and initial weights",
        "torchvision's S3D has an epsilon of 1e-3 and a momentum of 1e-3; CoCLR's has torch's "
        "defaults and draws weights with a deviation of 0.01.",
        "An epsilon of 1e-3 and a momentum of 0.1: after 450 steps a momentum of 1e-3 leaves 64 % "
        "of the initial statistics. Weights as in all encoders here, so that encoders differ by "
        "architecture alone.",
        "Those of either source. Not switchable here.",
    ),
    Interpretation(
        61,
        "S3D-G: where features are gated",
        "CoCLR's code has a gate for each Inception branch, with which the network has 9,098,000 "
        "parameters; the paper of S3D-G may also gate after every temporal convolution.",
        "A gate for each branch.",
        "More gates. Not switchable here.",
    ),
    Interpretation(
        62,
        "AVID: what its audio network hears",
        "The official network gets a linear spectrogram of 200 x 257 values.",
        "The log-mel spectrogram of all methods. The maximum over all places is kept.",
        "A linear spectrogram. Not offered.",
    ),
    Interpretation(
        63,
        "AVTS: sizes of the heads, and the optimiser at the switch",
        "Two fully connected layers on each stream, of sizes that could not be read. Whether the "
        "optimiser's state goes on at the switch is unknown.",
        "A hidden layer as wide as the encoder's feature, and 128 outputs. The state starts anew, "
        "as in every second phase here.",
        "Other sizes; keep_optimiser.",
        (Setting("AVTS.embedding_dim", 128, (256,)),),
    ),
    Interpretation(
        64,
        "XDC: how classifiers start",
        "The source could not be read.",
        "Weights with a deviation of 0.01 and no bias, as in DeepCluster, so that each round "
        "starts at log k.",
        "torch's default. Not switchable here.",
    ),
    Interpretation(
        65,
        "AVID-CMA: the own row as a negative",
        "The official code keeps the mined positives out of the negatives, but not the item "
        "itself.",
        "The same. With 128 of some 2,200 rows, 6 % of the items meet themselves in a step, with "
        "1,024 of 230,000 it is 0.4 %.",
        "Leaving it out. Not switchable here.",
    ),
)
