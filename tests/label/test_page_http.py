"""What the page's server answers, and to whom."""

import errno
import io
import json

import pytest
import shown
from PIL import Image
from starlette.testclient import TestClient

from pcl.label.server import application, prepared
from pcl.label.views import Views

PORT, TOKEN = 8123, "a-secret"
HOME = f"http://127.0.0.1:{PORT}"
# Picture 0 is no green one, nor is 1; and 0 and 1 are the same. To flip the second answer contradicts the others.
TRIANGLE = [(0, shown.EACH, False), (1, shown.EACH, False), (0, 1, True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "colours"
    shown.draw(folder)
    return folder


@pytest.fixture
def served(folder, tmp_path):
    """A client that has opened the link, and the session behind it."""
    session, library = shown.opened(folder, tmp_path, TRIANGLE)
    with TestClient(application(Views(session, library), token=TOKEN, port=PORT), base_url=HOME) as client:
        client.headers["x-tab"] = "first"
        client.get(f"/?token={TOKEN}")
        yield client, session


@pytest.fixture
def client(served):
    return served[0]


def state(client):
    return client.get("/api/state").json()


def truly(question):
    """The answer of a person who sorts by colour."""
    return "same" if shown.alike(question["image"], question["members"][0]) else "different"


def answer(client, reply=None, **more):
    question = state(client)["question"]
    reply = reply or truly(question)
    return client.post("/api/answer", json={"question": question["id"], "reply": reply, **more})


class TestDoor:
    @pytest.mark.parametrize(
        "path", ["/", "/?token=wrong", "/?token=é", "/api/state", "/api/events", "/thumb/0.webp"]
    )
    def test_nothing_is_shown_without_the_token(self, client, path):
        client.cookies.clear()
        assert client.get(path).status_code == 403
        assert client.get("/static/main.js").status_code == 403

    def test_link_lets_in_by_a_cookie_that_no_other_site_sends(self, client):
        client.cookies.clear()
        entered = client.get(f"/?token={TOKEN}", follow_redirects=False)
        assert entered.status_code == 303 and entered.headers["location"] == "/"
        assert {"HttpOnly", "SameSite=strict"} <= set(entered.headers["set-cookie"].split("; "))
        assert "Same group?" in client.get("/").text

    @pytest.mark.parametrize(
        "headers",
        [
            {"host": "pictures.example"},
            {"host": f"127.0.0.1:{PORT + 1}"},
            {"origin": "http://pictures.example"},
            {"origin": "null"},
            {"origin": f"http://127.0.0.1:{PORT + 1}"},
        ],
        ids=str,
    )
    def test_foreign_host_or_origin_is_refused(self, served, headers):
        client, session = served
        assert client.get("/api/state", headers=headers).status_code == 403
        assert client.post("/api/undo", json={}, headers=headers).status_code == 403
        assert session.answered == len(TRIANGLE)

    def test_own_origin_is_let_in(self, client):
        assert client.post("/api/undo", json={}, headers={"origin": HOME}).status_code == 200
        for host in (f"localhost:{PORT}", f"127.0.0.1:{PORT}"):
            assert client.get("/static/icon.svg", headers={"host": host}).status_code == 200

    def test_every_response_says_what_a_browser_may_do_with_it(self, client):
        for path in ("/", "/api/state", "/static/main.js", "/thumb/0.webp", "/nothing"):
            headers = client.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'self';")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
        assert client.get("/api/state").headers["cache-control"] == "no-store"

    def test_page_holds_no_script_or_style_that_the_policy_forbids(self, client):
        page = client.get("/").text
        assert "style=" not in page and "<style" not in page and " on" + "click" not in page
        assert page.count("<script") == page.count('<script type="module" src="/static/')

    def test_only_loopback_is_listened_on(self, served, folder, tmp_path):
        _, listener, link = prepared(*shown.opened(folder, tmp_path / "other"))
        with listener:
            host, port = listener.getsockname()
            assert host == "127.0.0.1" and link.startswith(f"http://127.0.0.1:{port}/?token=")


class TestPictures:
    @pytest.mark.parametrize("size", ["thumb", "large"])
    def test_are_given_by_number_and_kept(self, client, size):
        given = client.get(f"/{size}/{shown.EACH}.webp")
        assert "immutable" in given.headers["cache-control"] and "private" in given.headers["cache-control"]
        with Image.open(io.BytesIO(given.content)) as picture:
            assert picture.format == "WEBP" and picture.size == (48, 64)

    @pytest.mark.parametrize("name", ["999", "-1", "0x1", "..%2f..%2fsession.json", "../../blue-00.png", "9" * 30])
    def test_nothing_but_a_number_names_one(self, client, name):
        assert client.get(f"/thumb/{name}.webp").status_code == 404
        assert client.get(f"/large/{name}.webp").status_code == 404


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "kind", "status", "said"),
        [
            (b"{}", "text/plain", 415, "application/json"),
            (b"no json", "application/json", 422, "JSON"),
            (b'{"question": "1", "reply": "perhaps"}', "application/json", 422, "reply"),
            (b'{"question": "1", "reply": "same", "path": "/etc"}', "application/json", 422, "path"),
            (b'"' + b"a" * (1 << 20) + b'"', "application/json", 413, "longer"),
        ],
        ids=["form", "noise", "reply", "key", "long"],
    )
    def test_are_refused_in_words(self, client, body, kind, status, said):
        refused = client.post("/api/answer", content=body, headers={"content-type": kind})
        assert refused.status_code == status and said in refused.json()["error"]


class TestAnswers:
    def test_each_is_one_line_and_leads_to_another_question(self, served):
        client, session = served
        asked = set()
        for count in range(1, 11):
            before = state(client)
            after = answer(client, seconds=2.0).json()
            asked.add(before["question"]["id"])
            assert after["status"]["answered"] == len(TRIANGLE) + count
            assert after["status"]["left"] == 100 - len(TRIANGLE) - count
        assert len(asked) == 10
        assert len(session.log.read_text().splitlines()) == len(TRIANGLE) + 10
        assert after["status"]["seconds_per_answer"] == 2.0

    def test_every_picture_that_is_mentioned_has_a_name(self, client):
        answer(client)
        said = state(client)
        question = said["question"]
        mentioned = {question["image"], *question["members"]}
        mentioned |= {image for other in question["others"] for image in other["members"]}
        mentioned |= {image for event in said["history"] for i, j, _ in event["pairs"] for image in (i, j)}
        assert mentioned <= {int(image) for image in said["names"]}
        assert said["names"]["0"] == "blue-00.png"

    def test_of_a_question_that_no_longer_stands_is_answered_with_the_one_that_does(self, client):
        first = state(client)["question"]["id"]
        answer(client)
        late = client.post("/api/answer", json={"question": first, "reply": "same"})
        assert late.status_code == 410 and late.json()["question"]["id"] != first
        assert late.json()["status"]["answered"] == len(TRIANGLE) + 1

    def test_none_founds_a_group_and_a_listed_one_may_be_chosen(self, client):
        groups = answer(client, "none").json()["status"]["groups"]
        question = state(client)["question"]
        chosen = answer(client, "choose", group=question["others"][0]["group"]).json()
        assert groups == 3 and chosen["status"]["groups"] == 3

    def test_many_are_tapped_at_once(self, client):
        assert client.post("/api/mode", json={"mode": "tap"}).json()["session"]["mode"] == "tap"
        question = state(client)["question"]
        chosen = [image for image in question["candidates"] if shown.alike(image, question["members"][0])]
        after = answer(client, "tap", chosen=chosen).json()
        assert after["status"]["known"] >= 3 + len(chosen)

    def test_not_sure_costs_nothing(self, client):
        assert answer(client, "unsure").json()["status"]["left"] == 100 - len(TRIANGLE)

    def test_undo_goes_back_to_the_first(self, client):
        first = state(client)["question"]
        answer(client)
        for _ in range(len(TRIANGLE) + 3):
            after = client.post("/api/undo", json={}).json()
        assert after["status"]["answered"] == 0 and after["history"] == []
        assert first["image"] != after["question"]["image"] or after["question"]["id"] != first["id"]


class TestContradictions:
    def flip(self, client):
        history = {event["number"]: event for event in state(client)["history"]}
        assert history[2]["flips"]
        return client.post("/api/flip", json={"number": 2})

    def test_the_chain_is_shown_and_nothing_kept(self, served):
        client, session = served
        refused = self.flip(client)
        clash = refused.json()["contradiction"]
        assert refused.status_code == 409 and len(session.log.read_text().splitlines()) == 3
        assert clash["pair"] == [1, shown.EACH] and clash["same"] is True
        assert {(*sorted((given["i"], given["j"])), given["same"]) for given in clash["chain"]} == {
            TRIANGLE[0],
            TRIANGLE[2],
        }
        assert 0 <= clash["doubt"] < 2 and {"0", "1", str(shown.EACH)} <= set(refused.json()["names"])

    @pytest.mark.parametrize(("keep", "same"), [("new", True), ("old", False), ("unsure", False)])
    def test_is_settled_in_three_ways(self, served, keep, same):
        client, session = served
        clash = self.flip(client).json()["contradiction"]
        drop = [[0, 1]] if keep == "new" else []
        body = {"pair": clash["pair"], "same": clash["same"], "keep": keep, "drop": drop}
        assert client.post("/api/resolve", json=body).status_code == 200
        assert session.known.relation(1, shown.EACH) is same

    def test_new_one_is_kept_only_for_an_earlier_one(self, client):
        body = {"pair": [1, shown.EACH], "same": True, "keep": "new", "drop": [[5, 6]]}
        refused = client.post("/api/resolve", json=body)
        assert refused.status_code == 400 and "drop" in refused.json()["error"]

    def test_new_one_is_kept_against_two_chains(self, folder, tmp_path):
        """To drop an answer of one chain leaves the other, which is shown in its turn."""
        green = shown.EACH
        session, library = shown.opened(folder, tmp_path, [*TRIANGLE, (0, 2, True), (1, 2, True)])
        with TestClient(application(Views(session, library), token=TOKEN, port=PORT), base_url=HOME) as client:
            client.get(f"/?token={TOKEN}")
            clash = self.flip(client).json()["contradiction"]
            body = {"pair": clash["pair"], "same": True, "keep": "new", "drop": [[0, 1]]}
            again = client.post("/api/resolve", json=body)
            assert again.status_code == 409 and len(again.json()["contradiction"]["chain"]) == 3
            assert client.post("/api/resolve", json=body | {"drop": [[0, 1], [1, 2]]}).status_code == 200
        assert session.known.relation(1, green) is True and session.known.relation(0, 1) is False


class TestGroups:
    def test_hold_every_picture_once(self, client):
        listed = client.get("/api/groups").json()
        images = list(listed["loose"])
        for group in listed["groups"]:
            images += [*group["answered"], *(image for image, _ in group["inferred"])]
            sure = [each for _, each in group["inferred"]]
            assert sure == sorted(sure) and group["size"] == len(group["answered"]) + len(sure)
        assert sorted(images) == list(range(3 * shown.EACH)) == sorted(map(int, listed["names"]))

    def test_are_named_changed_by_hand_and_merged_and_all_of_it_undone(self, client):
        def answered():
            listed = client.get("/api/groups").json()["groups"]
            return {(group["name"], *group["answered"]) for group in listed}

        before = answered()
        named = client.post("/api/rename", json={"group": 0, "name": "Sea"}).json()
        assert {group["id"]: group["name"] for group in named["groups"]}[0] == "Sea"
        red = [2 * shown.EACH, 2 * shown.EACH + 1]
        moved = client.post("/api/move", json={"images": red, "group": None}).json()
        assert red in [sorted(group["answered"]) for group in moved["groups"]]
        ids = [group["id"] for group in moved["groups"]]
        merged = client.post("/api/merge", json={"groups": ids[:2]}).json()
        assert len(merged["groups"]) == len(ids) - 1
        for _ in range(3):
            client.post("/api/undo", json={})
        assert answered() == before

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("move", {"images": [999], "group": 0}),
            ("move", {"images": [], "group": None}),
            ("merge", {"groups": [0]}),
            ("rename", {"group": 999, "name": "x"}),
            ("session", {"clusters": 1}),
            ("flip", {"number": 99}),
        ],
        ids=lambda value: value if isinstance(value, str) else json.dumps(value),
    )
    def test_what_cannot_be_is_refused_in_words(self, served, path, body):
        client, session = served
        before = session.log.read_bytes()
        refused = client.post(f"/api/{path}", json=body)
        assert refused.status_code == 400 and refused.json()["error"] and session.log.read_bytes() == before


class TestSession:
    def test_is_described_anew_in_parts(self, client):
        after = client.post("/api/session", json={"criterion": "by mood"}).json()
        assert after["session"]["criterion"] == "by mood" and after["session"]["budget"] == 100
        after = client.post("/api/session", json={"budget": None, "clusters": 3}).json()
        assert after["status"]["left"] is None and after["session"]["criterion"] == "by mood"

    def test_second_tab_looks_on_until_it_takes_over(self, client):
        other = {"x-tab": "second"}
        assert state(client)["session"]["writer"] is True
        assert client.get("/api/state", headers=other).json()["session"]["writer"] is False
        assert client.post("/api/undo", json={}, headers=other).status_code == 423
        assert client.post("/api/takeover", json={}, headers=other).json()["session"]["writer"] is True
        assert client.post("/api/undo", json={}, headers=other).status_code == 200
        assert client.post("/api/undo", json={}).status_code == 423

    def test_full_disk_is_told_at_once_and_costs_nothing(self, served, monkeypatch):
        client, session = served
        before, question = session.log.read_bytes(), state(client)["question"]

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("pcl.artifacts.os.fsync", full)
            refused = answer(client)
        assert refused.status_code == 507 and "No space left" in refused.json()["error"]
        assert session.log.read_bytes() == before and state(client)["question"] == question
        assert answer(client).status_code == 200

    def test_fit_that_fails_is_told_and_questions_go_on(self, folder, tmp_path, monkeypatch):
        session, library = shown.opened(folder, tmp_path, TRIANGLE)
        monkeypatch.setattr(session, "fit", lambda: 1 / 0)
        with TestClient(application(Views(session, library), token=TOKEN, port=PORT), base_url=HOME) as client:
            client.get(f"/?token={TOKEN}")
            for _ in range(11):
                assert answer(client).status_code == 200
            troubles = (state(client)["status"]["trouble"] for _ in range(1000))
            trouble = next(filter(None, troubles), "")
        assert "ZeroDivisionError" in trouble
