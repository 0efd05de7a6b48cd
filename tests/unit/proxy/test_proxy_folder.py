"""The proxy's folder: private, held once, written whole; ports that are free."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.errors import Refused
from ostiary.proxy.folder import Folder
from ostiary.proxy.ports import free_port, require_free


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "proxy")
    yield made
    made.close()


def code_of(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        Folder(path)
    return refused.value.code


def test_a_new_folder_is_private_and_out_of_git(folder: Folder) -> None:
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_a_folder_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert code_of(tmp_path) == "proxy-folder-open"


def test_a_folder_has_one_agent_at_a_time(folder: Folder) -> None:
    assert code_of(folder.path) == "proxy-folder-in-use"
    folder.close()
    again = Folder(folder.path)
    folder._handle, folder._lock = again._handle, again._lock  # the fixture closes these


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("")
    assert code_of(tmp_path / "proxy") == "proxy-folder-unusable"


def test_files_are_private_and_replaced_whole(folder: Folder) -> None:
    folder.write("sds/svid.json", b"old")
    with (folder.path / "sds/svid.json").open("rb") as reading:
        folder.write("sds/svid.json", b"new")
        assert reading.read() == b"old"
    assert folder.read("sds/svid.json") == b"new"
    assert (folder.path / "sds/svid.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (folder.path / "sds").iterdir()] == ["svid.json"]
    assert folder.read("nothing") is None


def test_sockets_work_below_very_long_paths(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    folder = Folder(deep)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        listening.bind(folder.socket("x.sock"))
        listening.listen()
        calling.connect(folder.socket("x.sock"))
    folder.close()


def port_code(address: str, port: int) -> str:
    with pytest.raises(Refused) as refused:
        require_free(address, port)
    return refused.value.code


def test_a_listener_that_shares_its_port_is_noticed() -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert port_code("127.0.0.1", port) == "port-taken"
        assert port_code("0.0.0.0", port) == "port-taken"  # noqa: S104
        assert free_port("127.0.0.1", port) != port
    require_free("127.0.0.1", port)
    assert free_port("127.0.0.1", port) == port


def test_connections_that_linger_do_not_hold_a_port() -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as calling:
            answering, _ = listening.accept()
            answering.close()  # the server closes first: its side lingers in TIME_WAIT
            assert calling.recv(1) == b""
    require_free("127.0.0.1", port)


def test_other_reasons_have_their_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert port_code("192.0.2.1", 8443) == "port-unusable"

    def forbidden(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    # Root may bind every port, and tests may run as root.
    monkeypatch.setattr(socket.socket, "bind", forbidden)
    assert port_code("127.0.0.1", 443) == "port-not-allowed"
