"""How this project reads the paper where it describes training and its data (III-E to IV-B)."""

from iicl.readings.entry import Interpretation, Setting

TRAINING: tuple[Interpretation, ...] = (
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
        "The encoders and g_ins, with h = f. Co-attention and g_clu begin with the co-training: "
        "batch co-attention on untrained encoders makes all rows alike, and the loss stays at "
        "log N. The trained g_ins is handed on; the optimiser starts again, because it has other "
        "parameters.",
        "Co-attention in both phases; a new g_ins; the optimiser's moments handed on.",
        (
            Setting("IICL.co_attention_in_initialisation", False, (True,)),
            Setting("PretrainSettings.keep_instance_head", True, (False,)),
            Setting("PretrainSettings.keep_optimiser", False, (True,)),
        ),
    ),
    Interpretation(
        19,
        "Pretraining on UCF101, half of which is silent",
        "IV-E pretrains on UCF101; only about half of its videos, 51 of 101 classes, have sound. "
        "IV-A drops silent videos of Kinetics.",
        "Silent items are dropped, as in Kinetics. Half of the test classes are then not seen in "
        "pretraining.",
        "Zeros as their sound; the same constant is then the positive of half of the batch.",
        (Setting("PretrainSettings.silent_items", "drop", ("zero",)),),
    ),
    Interpretation(
        20,
        "The row 'L_clu' of Table II",
        "IV-D.2 removes one of the two modules; it does not say whether the "
        "first phase, which is L_ins, stays.",
        "L_ins is removed from both phases. Both minimise L_clu, for as many epochs as in the "
        "other rows and without lambda, which would only scale the loss. Co-attention begins with "
        "the second phase, as in the other rows.",
        "L_ins in the first phase, which is then the run that the other rows start from, too, and "
        "L_clu alone in the second. The removed module would still have an effect.",
        (Setting("IICL.cluster_start", "cluster", ("instance",)),),
    ),
    Interpretation(
        21,
        "Clip and sound in time",
        "IV-B pairs 32 frames at 30 fps (1.07 s) with 2 s of audio; it does not say how "
        "they are aligned.",
        "They have the same centre: the sound begins before the clip and ends after it.",
        "They start together.",
        (Setting("Clip.alignment", "centred", ("start",)),),
    ),
    Interpretation(
        22,
        "Training recipe",
        "IV-B gives optimiser, rate, decay, batch and epochs. It does not give the "
        "schedule, the augmentation or the clips per video and epoch; III only mentions augmented "
        "samples.",
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
        "The schedule as written, in the plan of the paper scale. On 1.8 million clips one run "
        "then takes some 680 EFLOP, which is improbable. IG65M is not public, so its rows "
        "cannot run.",
        "Each epoch covers only a part of the corpus.",
    ),
    Interpretation(
        28,
        "Size of Kinetics-400",
        "IV-A filters out around 7 thousand silent videos and does not say how many remain.",
        "All items of the local copy that have sound; the manifest of the corpus counts them. "
        "Published copies have about 231 to 232 thousand.",
        "None: no two copies are equal.",
    ),
    Interpretation(
        30,
        "What batch norm sees",
        "IV-B gives the batch, 256. It says neither how many devices shared a batch nor whether "
        "they shared their statistics.",
        "32 items, the share of one of eight devices. The losses see the whole batch; batch norm "
        "sees a chunk, and its running statistics move once per step by the mean over chunks.",
        "The whole batch, or smaller chunks.",
        (Setting("Optimisation.chunk_size", 32, (8, 256)),),
    ),
    Interpretation(
        33,
        "Details of the spectrogram",
        "IV-B gives 2 s of sound, 40 mel filters and 100 frames, and neither window, scale, "
        "logarithm nor normalisation.",
        "16 kHz and a step of 20 ms, which makes 100 frames without a border. A Hann window of 25 "
        "ms, HTK's mel scale, ln(x + 1e-6), and one mean and deviation of all values of the "
        "corpus.",
        "Windows of 16 ms (XDC; at this step a fifth of the sound lies between the windows), of "
        "20 ms (GDT) or 10 ms. Slaney's scale with filters of equal area. Less or more added "
        "before the logarithm (XDC: in effect 1e-9). A mean for each filter (AVID): not "
        "switchable here.",
        (
            Setting("Clip.window_seconds", 0.025, (0.01, 0.016, 0.02)),
            Setting("Clip.mel_scale", "htk", ("slaney",)),
            Setting("Clip.log_offset", 1e-6, (1e-9, 1e-3)),
        ),
    ),
    Interpretation(
        41,
        "Lambda over time",
        "III-E calls lambda a weight that balances the losses across the training process; IV-B "
        "gives one value, 0.5.",
        "The constant, from the first step of the co-training on.",
        "Growing from 0 within the co-training, or scheduled otherwise. Not switchable here.",
    ),
    Interpretation(
        42,
        "From a frame to 128 x 128",
        "IV-B: the resized video has 128 x 128 pixels. Most videos are wider than high.",
        "A square of the frame: a random one in training, the middle one, or three, at test.",
        "The whole frame, squashed. Several crops at test are then copies of one.",
        (Setting("Clip.framing", "crop", ("squash",)),),
    ),
    Interpretation(
        43,
        "Mean and deviation of colours",
        "The paper does not mention them.",
        "0.45 and 0.225 for every channel, as in GDT.",
        "Those of ImageNet or Kinetics, for each channel. They change a channel's scale and "
        "offset, which the first convolution and its batch norm can undo. Not switchable here.",
    ),
    Interpretation(
        44,
        "Kind of Adam, and what decays",
        "IV-B names Adam and a weight decay of 1e-6.",
        "Adam as torch has it: the decay is added to the gradient, of all parameters, those of "
        "batch norm included.",
        "AdamW, which takes the decay from the weights. No decay of batch norm: at 1e-6 neither is "
        "likely to matter, and the latter is not switchable here.",
        (
            Setting("Optimisation.optimiser", "adam", ("adamw", "sgd")),
            Setting("Optimisation.weight_decay", 1e-6, (0.0,)),
        ),
    ),
    Interpretation(
        47,
        "Masks of the spectrogram",
        "III speaks of augmented samples; for sound the paper names no augmentation.",
        "A change of the volume by up to a tenth, which the systems compared with share [22].",
        "Masks over time and filters (SpecAugment), as in GDT. Not switchable here.",
    ),
)
