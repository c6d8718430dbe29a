"""How this project reads the paper where it describes measurements and results (IV-C to IV-E)."""

from iicl.readings.entry import Interpretation, Setting

RESULTS: tuple[Interpretation, ...] = (
    Interpretation(
        15,
        "Cross-modal retrieval",
        "IV-D.3 reports mAP of instance-level retrieval between modalities, without the size "
        "of the gallery.",
        "z = g_ins(f) without co-attention, which would let query and gallery see each other. With "
        "one relevant item mAP is the mean reciprocal rank, which depends on the gallery's size.",
        "Only class-level mAP; a gallery of one batch.",
    ),
    Interpretation(
        16,
        "Fine-tuning accuracy in Tables I and V",
        "UCF101 after AudioSet is 94.3 in Table I (C = 400, split 1) and 92.8 in Table V, whose "
        "training IV-E calls extended.",
        "Table V is a mean over three splits. That does not explain 1.5 points, because every row "
        "of Table I is higher. The check of the paper against itself reports this.",
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
        24,
        "State of the art on Kinetics-400 and AudioSet",
        "IV-E claims the best Kinetics result of those listed; HMDB 61.5 is bold, CoCLR has 62.9.",
        "The claim is compared with the table's own numbers, and fails for HMDB51. On AudioSet "
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
        31,
        "Clusters, split and C of Table II",
        "IV-D.2 reports NMI and ACC on UCF101 and HMDB51, with k-means where L_clu is removed. It "
        "names neither the split nor C, nor how clusters are matched to classes for ACC.",
        "The test items of fold 1; as many clusters as classes, matched one to one. At C = 400 "
        "balanced clusters, which H(Y) asks for, could not match more than 101 / 400 of UCF101 one "
        "to one, and 77.1 % are reported: so either C or "
        "the matching must be another one there.",
        "C = 400 and the majority class of each cluster (the purity, given beside each ACC); "
        "k-means on encoder features in every row; all items instead of the test items.",
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
    Interpretation(
        36,
        "The fine-tuning recipe",
        "IV-C.2 fine-tunes the whole encoder. It gives neither optimiser, rates nor epochs.",
        "GDT's published script: SGD, 12 epochs of 10 clips an item, 2 of warm-up to 8 times the "
        "rates, decay by 0.05 at epochs 6 and 10, 10 clips times 3 crops at test. The last epoch "
        "counts; the script takes the best by the test accuracy.",
        "Decay at epochs 7 and 11: GDT's script names 6 and 10, but its released scheduler gets "
        "there one epoch late. AVID's recipe (Adam, 1e-4 without weight decay), CoCLR's (500 "
        "epochs, dropout of 0.9).",
        (
            Setting("Finetune.optimiser", "sgd", ("adam",)),
            Setting("Finetune.milestones", (6, 10), ((7, 11), (6, 10, 14))),
            Setting("Finetune.head_learning_rate", 2e-2, (1e-4,)),
            Setting("Finetune.encoder_learning_rate", 2e-3, (1e-4,)),
            Setting("Finetune.weight_decay", 5e-3, (0.0,)),
        ),
    ),
    Interpretation(
        37,
        "How fc-only is fitted",
        "IV-C.2 fixes the encoder and trains a linear classifier with the cross-entropy; no more "
        "is said.",
        "Logistic regression on standardised features of 10 clips an item; the penalty is chosen "
        "on held-out groups of the train items. It has one optimum, and no schedule to choose.",
        "A linear SVM, whose loss is another. SGD on augmented clips with a schedule, as in CoCLR "
        "and AVID, where the result depends on the schedule too: not switchable here.",
        (Setting("Linear.classifier", "logistic", ("svm",)),),
    ),
    Interpretation(
        38,
        "Classifier and windows of DCASE",
        "IV-C.3 trains a linear classifier on the frozen encoder as GDT does, and says no more.",
        "A linear SVM on 60 windows of 2 s, as in GDT, with starts evenly from 0 to 28 s, so that "
        "all windows lie within the 30 s. The penalty is chosen as in entry 37.",
        "GDT's own starts, 0 to 29 s, of which the last are moved back to 28 s: 3 windows are then "
        "copies. Logistic regression. Windows of 5 s, as in SoundNet.",
        (Setting("Linear.classifier", "logistic", ("svm",)),),
    ),
    Interpretation(
        39,
        "Pooling and centring for retrieval",
        "IV-C.1 takes the nearest neighbours of features of the encoder; it says nothing of the "
        "layer's pooling, nor whether a mean is subtracted.",
        "The mean over positions, 512 numbers, to unit length for each clip and again for each "
        "item; nothing is subtracted.",
        "The mean of the train items subtracted from all, so that a direction that all share "
        "counts no more; CoCLR subtracts from each split its own mean. Maxima over parts of conv5 "
        "(VCOP, SeLaVi; 9,216 numbers and more): not switchable here.",
        (Setting("Retrieval.centred", False, (True,)),),
    ),
    Interpretation(
        40,
        "'Extended' training",
        "IV-E extends the training time for Tables IV and V, by no stated number; IV-B has 300 and "
        "300 epochs.",
        "300 and 300 in every table, as no other number is given.",
        "More epochs in those two tables.",
        (
            Setting("PretrainLength.initialisation", 300, (600,)),
            Setting("PretrainLength.co_training", 300, (600,)),
        ),
    ),
    Interpretation(
        46,
        "Split of Table III",
        "IV-D.3 retrieves between the modalities of Kinetics-400 and does not say among which "
        "items.",
        "Items of the validation list, which no pretraining has seen.",
        "Train items, or a sample of either. The stage reads the test split only: not switchable "
        "here.",
    ),
)
