"""A web server on loopback that can also misbehave, and the folder of the real sets."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from skrobust.datasets import _fetch
from skrobust.datasets._registry import array_digest


class LocalServer(ThreadingHTTPServer):
    """Serves ``files`` (path or name: bytes); ``faults`` (path: list) are used up first."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.faults, self.requests, self.encodings = {}, {}, [], set()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.lstrip("/")
        self.server.requests.append(name)
        faults = self.server.faults.get(name, [])
        fault = faults.pop(0) if faults else None
        files = self.server.files
        body = files.get(name, files.get(name.rsplit("/", 1)[-1]))
        self.server.encodings.add(self.headers["Accept-Encoding"])
        if isinstance(fault, int) or body is None:
            self.send_error(fault or 404)
        else:
            self.answer(body, fault)

    def answer(self, body, fault):
        if fault == "slow":
            time.sleep(1)
        self.send_response(200)
        if fault == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
        elif fault == "nonsense":
            self.send_header("Content-Length", "abc")
        elif fault != "no length":
            self.send_header("Content-Length", len(body) + 10 * (fault == "length"))
        self.end_headers()
        if fault == "chunks":
            self.wfile.write(b"%x\r\n" % len(body))
        self.wfile.write(body[: len(body) // 2] if fault in ("broken", "chunks") else body)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch):
    """A running server; no proxy, no waiting between attempts."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    with LocalServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def expect(monkeypatch):
    """A function that makes given arrays the ones a file is to hold."""

    def replace_digests(file, arrays):
        digests = {name: array_digest(name, array) for name, array in arrays.items()}
        monkeypatch.setitem(_fetch.DIGESTS, file, digests)

    return replace_digests


@pytest.fixture(autouse=True)
def no_home(monkeypatch, tmp_path):
    """The user's folders are out of reach unless a test asks for ``real_data``."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path / "unused"))


REAL_DATA = Path(
    os.environ.get("SKROBUST_DATA") or Path(__file__).parents[3] / "shared" / "datasets"
)


@pytest.fixture
def real_data():
    """The folder of the real sets."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the data sets are not at hand: no folder {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def table():
    """A small table for anomaly detection, as ``odds/glass.npz`` would hold it."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20, 9)).astype(np.float32)
    return {"X": X, "y": (np.arange(20) >= 17).astype(np.int8)}


# The head of the published file, and three lakes of it: all known; depth not; nitrogen not.
LAKES = """\
lagoslakeid,HU4,lon,lat,random25_holdout,random75_holdout,hu4_ag50_holdout,hu4_strat75_holdout,\
hu4_random50_holdout,cluster_strat75_holdout,cluster_random50_holdout,tp,tn,chal,secchi,maxdepth_m,\
IWS_lk_ratio,iws_nlcd2006_for,lake_sdf,lakeconn_v2,iws_sdf,\
iws_streamdensity_streams_density_mperha,elevation_m,wlconnections_allwetlands_shoreline%,\
roaddensity_mperha,baseflow_mean,runoff_mean,totalNdep_19902010_diff,hu4_nlcd2006_agr,\
totalNdep_1990_mean,prism_ppt_mean,prism_tmean_mean
139273,11,-73.460201,41.550839,0,1,0,0,0,1,0,15,267,0.914,7.33,11,4.78402869,79.89,1.417312547,2,\
2.042632763,5.3211,189.0039978,NA,30.741,49.7178,25.1198,3.4168,8.3497,6.5764,1247.0477,9.3886
72,53,-93.832742,44.790222,0,0,1,1,0,1,0,914,2990,325,0.3,NA,40.40730978,4.11,1.105965346,1,\
1.891865647,6.3865,291.1679993,2.1901644,21.4727,43.8293,3.3408,-1.2276,77.686,4.9226,712.4655,6.8874
2,7,-73.047277,42.184089,0,0,0,1,0,0,1,5,NA,3.9,6.5,6.1,2.477944847,79.57,1.662449203,3,\
2.568845852,0,447.8349915,2.938701,79.9651,47.925,24.1792,3.0082,6.5853,5.8813,1205.8622,6.8017
"""


@pytest.fixture
def lakes_csv():
    """Three lakes in the form of the published file."""
    return LAKES
