"""What the paper leaves open or contradicts, and how this project reads it. Imports no torch.

Each entry says what the paper says, which reading is our default and why, and which other readings
there are. If a reading is a setting, the entry names the class and field, its default and the
alternatives on offer; the comment of the field cites the entry as ``[number]``. ``IICL`` is the
class of settings in :mod:`iicl.methods.iicl`, and so are ``AVTS`` and the names of other methods in
theirs; the rest are in :mod:`iicl.config`, :mod:`iicl.pretraining` and :mod:`iicl.protocols`.
"""

from iicl.readings.entry import Interpretation
from iicl.readings.losses import LOSSES
from iicl.readings.network import NETWORK
from iicl.readings.peers import PEERS
from iicl.readings.results import RESULTS
from iicl.readings.training import TRAINING

INTERPRETATIONS: tuple[Interpretation, ...] = tuple(
    sorted((*LOSSES, *NETWORK, *TRAINING, *RESULTS, *PEERS), key=lambda entry: entry.number)
)
