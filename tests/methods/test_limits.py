"""How many training images there must be: for each setting that says so, in whichever method, and for K."""

import pytest

from pcl import registry
from pcl.errors import UserError
from pcl.limits import Needs

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
IMAGES = 20
LIMITS = [
    pytest.param(name, setting, (IMAGES - need.more) // need.each, id=f"{name}-{setting}")
    for name, method in METHODS.items()
    for setting, field in method.Settings.model_fields.items()
    for need in field.metadata
    if isinstance(need, Needs)
]


@pytest.mark.parametrize(("name", "setting", "most"), LIMITS)
class TestEverySettingThatCountsImages:
    def test_is_refused_above_what_there_are(self, start, name, setting, most):
        with pytest.raises(UserError, match=rf"^{setting}: {most + 1} .*only {IMAGES} .*{setting} to {most} at most"):
            self.opened(start, name, **{setting: most + 1})

    def test_trains_with_as_many_as_there_are(self, start, train, name, setting, most):
        method, session = self.opened(start, name, **{setting: most})
        assert train(method, session).epochs[-1].ended

    def opened(self, start, name, **settings):
        """A method that has passed its check, with enough of its own to come to what the setting is for."""
        own = {
            "gcc": {"optimizer": "adam", "graph_from": 1},
            "mice": {"queue": 8},
            "spice": {"moco_queue": 8, "neighbours": 4, "moco_epochs": 1, "semi_epochs": 1, "semi_batch": 2},
            "adc": {"autoencoder": None, "pair_epochs": 1, "epochs": 1},
            "swav": {"hidden": 4, "prototypes": 4, "queue_from": 1},
            "scan": {"contrast_epochs": 1, "label_epochs": 1},
        }
        method, session = start(
            name, n=IMAGES, budget=10 * METHODS[name].supervised, **(own.get(name, {}) | settings)
        )
        method.check({"train": IMAGES, "test": IMAGES}, 1)
        return method, session


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_method_looks_for_more_clusters_than_images(method):
    method(method.Settings(), 3, 0).fits(10**9)
    with pytest.raises(UserError, match="clusters: 3, but there are only 2 training images"):
        method(method.Settings(), 3, 0).fits(2)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.network])
def test_a_batch_larger_than_the_set_is_all_of_it(start, train, name):
    small = {"queue": 8, "moco_queue": 8, "neighbours": 4, "moco_epochs": 1, "semi_epochs": 1, "graph_from": 1}
    small |= {"contrast_epochs": 1, "label_epochs": 1, "groups": 8, "hidden": 4}
    small |= {"initial_questions": 2, "warmup_epochs": 1, "pair_epochs": 1, "rounds": 2, "optimizer": "adam"}
    known = METHODS[name].Settings.model_fields
    autoencoder = {"autoencoder": {"epochs": 1}} if "autoencoder" in known else {}
    settings = {key: value for key, value in small.items() if key in known} | autoencoder
    method, session = start(name, n=IMAGES, budget=4 * METHODS[name].supervised, batch_size=10**6, **settings)
    method.check({"train": IMAGES, "test": IMAGES}, 1)
    assert train(method, session).epochs[-1].ended
