import os
import signal
import socket

import pytest
import torch
import torch.distributed as dist

from iicl.training.distributed import ALONE, VARIABLES, Ranks, connect
from tests.iicl.training.ranks import Lost, on_ranks, started

WHOLE = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def environment(monkeypatch):
    """Sets these variables of a run on many ranks and no others."""

    def set_only(variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_only


def refusal(environment, **changes) -> str:
    environment(WHOLE | changes)
    with pytest.raises(ValueError) as caught, connect("cpu"):  # noqa: PT011
        pass
    return str(caught.value)


def test_without_variables_there_is_one_rank(environment):
    environment({})
    with connect("cpu") as ranks:
        assert ranks == Ranks(0, 1, 0, torch.device("cpu"))
        assert not dist.is_initialized()


def test_one_rank_alone_opens_no_connection(environment):
    environment(WHOLE | {"RANK": "0", "WORLD_SIZE": "1"})
    with connect("cpu") as ranks:
        assert ranks == Ranks(0, 1, 0, torch.device("cpu"))
        assert not dist.is_initialized()
        tensor = torch.tensor([1.5])
        ranks.sum(tensor)
        ranks.wait()
        assert tensor.item() == 1.5
        assert (ranks.max(-3), ranks.broadcast("a"), ranks.gather("b")) == (-3, "a", ["b"])


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_missing_or_set_alone_is_named(environment, name):
    environment({n: value for n, value in WHOLE.items() if n != name})
    others = ", ".join(n for n in VARIABLES if n != name)
    with (
        pytest.raises(ValueError, match=f"{name} are missing and {others} are set"),
        connect("cpu"),
    ):
        pass
    environment({name: WHOLE[name]})
    with (
        pytest.raises(ValueError, match=f"{others} are missing and {name} are set"),
        connect("cpu"),
    ):
        pass


@pytest.mark.parametrize("name", [n for n in VARIABLES if n != "MASTER_ADDR"])
@pytest.mark.parametrize("value", ["two", "-1", ""])
def test_a_number_that_is_none_is_named(environment, name, value):
    assert f"{name}='{value}': must be a whole number" in refusal(environment, **{name: value})


def test_contradictions_are_named(environment):
    assert "RANK must be below WORLD_SIZE, got 2 of 2" in refusal(environment, RANK="2")
    assert "LOCAL_RANK must be below LOCAL_WORLD_SIZE, got 1 of 1" in refusal(
        environment, LOCAL_RANK="1"
    )
    assert "LOCAL_WORLD_SIZE must be at most WORLD_SIZE, got 3 of 2" in refusal(
        environment, LOCAL_WORLD_SIZE="3"
    )


def test_a_device_that_the_machine_lacks_is_named(environment, monkeypatch):
    environment(WHOLE)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="LOCAL_RANK is 0, but there are 0 CUDA"), connect("cuda"):
        pass


def test_a_meeting_that_fails_is_a_lost_rank():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def meet():
            os.environ["MASTER_PORT"] = str(other.getsockname()[1])  # where rank 0 must listen
            if os.environ["RANK"] == "0":
                with connect("cpu"):
                    pass

        lost, _ = on_ranks(2, meet)
    assert isinstance(lost, Lost)
    assert lost.args[0] == "LostRankError"


def test_ranks_meet_again_and_again_and_agree():
    def meet():
        told = []
        for _ in range(5):
            with connect("cpu") as ranks:
                tensor = torch.tensor([ranks.rank, 0.1], dtype=torch.float64)
                ranks.sum(tensor)
                empty = torch.zeros(0)
                ranks.sum(empty)
                ranks.wait()
                told.append(
                    (
                        (ranks.rank, ranks.size, ranks.local_rank, ranks.share),
                        tensor.tolist(),
                        ranks.max(ranks.rank * 7),
                        ranks.broadcast({"from": torch.tensor(ranks.rank)}),
                        ranks.gather(f"from {ranks.rank}"),
                    )
                )
            assert not dist.is_initialized()
        return told

    for rank, told in enumerate(on_ranks(3, meet)):
        assert len(told) == 5
        for whoami, total, largest, heard, gathered in told:
            assert whoami == (rank, 3, rank, (rank, 3))
            assert total == [3, pytest.approx(0.3)]
            assert largest == 14
            assert heard == {"from": torch.tensor(0)}
            assert gathered == (["from 0", "from 1", "from 2"] if rank == 0 else [])


@pytest.mark.parametrize("how", ["killed", "raised"])
@pytest.mark.parametrize("operation", ["sum", "max", "broadcast", "gather"])
def test_a_rank_that_is_gone_is_told_from_one_s_own_failure(how, operation):
    def meet(say):
        with connect("cpu") as ranks:
            ranks.wait()
            if ranks.rank == 1:
                if how == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("my own")
            while True:
                value = torch.ones(1) if operation == "sum" else 1
                getattr(ranks, operation)(value)

    with started(2, meet) as (first, second):
        with pytest.raises(Lost) as caught:
            second.next()
        assert (
            caught.value.args == {"killed": ("killed",), "raised": ("RuntimeError", "my own")}[how]
        )
        with pytest.raises(Lost, match=r"LostRankError.*another rank is gone"):
            first.next()


def test_parts_of_any_length_are_put_together_on_every_rank_to_the_bit():
    zeros = torch.tensor([[-0.0, 0.0], [1.5, -torch.inf], [2.0, 3.0]])
    whole = {
        "float32": zeros,
        "float64": zeros.double() / 3,
        "int64": torch.tensor([2**53 + 1, -1, 7]),
        "bool": torch.tensor([True, False, True]),
    }

    def together():
        with connect("cpu") as ranks:
            own = slice(0, 1) if ranks.rank == 0 else slice(1, 3)
            return {name: ranks.concatenate(part[own]) for name, part in whole.items()}

    for answer in on_ranks(2, together):
        for name, expected in whole.items():
            assert answer[name].dtype == expected.dtype
            assert torch.equal(answer[name], expected), name
        assert torch.equal(answer["float32"].signbit(), zeros.signbit())
    assert torch.equal(ALONE.concatenate(zeros), zeros)
