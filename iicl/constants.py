"""Numbers that both the code and its price in advance depend on. Imports no torch."""

GOP = 8  # frames from one key frame of a prepared video to the next; decoding starts at a key frame
VERIFY_EPOCHS = 64  # epochs in which a training reads every item once from end to end
NUM_KEPT_CHECKPOINTS = 2  # of a training
FEATURE_BATCH_SIZE = 32  # clips that an extraction of features encodes together
HELD_OUT_SHARE = 0.2  # of the groups of each class, in the part of train that is held out
