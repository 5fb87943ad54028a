"""A database belongs to one cluster: docs/adr/0031."""

from uuid import UUID

import pytest
from pytest_django import Settings

from bazaar.protocol import identity
from bazaar.runtime.settling import settle_identity
from bazaar.settings.env import SettingsError
from catalog_app.models import Identity
from order_app.models import Identity as ReplicaIdentity

pytestmark = pytest.mark.django_db
OURS, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_known", {"cluster": ""})


def test_a_database_without_an_identity_gets_that_of_its_folder(settings: Settings) -> None:
    settings.BAZAAR_CLUSTER_ID = OURS
    settle_identity()
    assert Identity.objects.get().cluster_id == OURS
    assert identity.cluster() == str(OURS)
    settle_identity()


def test_a_database_of_another_cluster_is_refused_in_one_sentence(settings: Settings) -> None:
    settings.BAZAAR_CLUSTER_ID = OURS
    ReplicaIdentity.objects.create(pk=1, cluster_id=OTHER)
    with pytest.raises(SettingsError, match=f"is a database of the cluster {OTHER}, but") as caught:
        settle_identity()
    assert "\n" not in str(caught.value)
    assert identity.cluster() == ""


def test_a_folder_without_an_identity_has_that_of_its_database(settings: Settings) -> None:
    settings.BAZAAR_CLUSTER_ID = None
    Identity.objects.create(pk=1, cluster_id=OTHER)
    settle_identity()
    assert identity.cluster() == str(OTHER)
