"""How this project reads the paper where it defines the losses (III-C, III-D, eqs. 2 to 6)."""

from iicl.readings.entry import Interpretation, Setting

LOSSES: tuple[Interpretation, ...] = (
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
        "z, as in the equation that is optimised; otherwise g_ins would have no purpose.",
        "h itself; g_ins is then not built.",
        (Setting("IICL.instance_space", "z", ("h",)),),
    ),
    Interpretation(
        3,
        "Margin",
        "Eq. 2 asks for a margin eps between positive and negative; no later equation has one.",
        "No margin: eq. 2 motivates eq. 3, which is complete without it, and no value is given.",
        "A margin subtracted from the similarity of the positive (AM-softmax).",
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
        "As printed, weight 1: H is non-negative, so minimising the loss balances the clusters. "
        "For uniform rows the term cancels both column losses exactly.",
        "Other weights, none (0), the mean over modalities (0.5); dividing by log C is the weight "
        "1 / log C.",
        (Setting("IICL.entropy_weight", 1.0, (0.0, 0.5)),),
    ),
    Interpretation(
        6,
        "Name of the cluster temperature",
        "Eq. 5 has tau_clu; IV-B gives a value, 0.5, for tau_cls.",
        "They are one temperature, 0.5, under two names.",
        "No other reading. Related work uses far lower temperatures, so the effect is measured.",
        (Setting("IICL.cluster_temperature", 0.5, (0.1, 1.0)),),
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
        "N in the equations is the size of the whole batch, over all chunks: 256 in IV-B.",
        "A memory bank of the whole set, which the paper does not describe.",
    ),
)
