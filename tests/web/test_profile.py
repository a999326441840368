"""One's own profile and tokens."""

import re

from registry.models import ApiToken
from registry.services.workspace_settings import update_settings


def test_a_token_is_shown_once_with_the_viewers_own_host(sign_in):
    browser = sign_in("reader")
    made = browser.post("/profile/tokens", {"comment": "laptop", "days": "30"}, headers={"host": "keep.example:8443"})
    text = made.content.decode()
    value = re.search(r'id="new-token">(mk[0-9a-f]{64})<', text).group(1)
    assert "export DATABRICKS_HOST=http://keep.example:8443" in text
    assert f"export DATABRICKS_TOKEN={value}" in text
    later = browser.get("/profile/tokens").content.decode()
    assert value not in later
    assert "laptop" in later


def test_a_token_works_and_ends_when_it_is_revoked(sign_in, client):
    browser = sign_in("reader")
    text = browser.post("/profile/tokens", {"days": "0"}).content.decode()
    bearer = {"authorization": "Bearer " + re.search(r"mk[0-9a-f]{64}", text).group()}
    assert client.get("/api/2.0/preview/scim/v2/Me", headers=bearer).json()["userName"] == "reader@example.com"
    token = ApiToken.objects.get()
    browser.post(f"/profile/tokens/{token.pk}/revoke")
    assert client.get("/api/2.0/preview/scim/v2/Me", headers=bearer).status_code == 401


def test_somebody_elses_token_does_not_exist(sign_in):
    sign_in("owner").post("/profile/tokens", {"days": "7"})
    response = sign_in("reader").post(f"/profile/tokens/{ApiToken.objects.get().pk}/revoke")
    assert response.status_code == 404
    assert ApiToken.objects.count() == 1


def test_an_odd_lifetime_is_refused_with_a_remedy(sign_in):
    response = sign_in("reader").post("/profile/tokens", {"days": "99999999"})
    assert response.status_code == 400
    assert "Choose how long the token is valid" in response.content.decode()


def test_the_display_name_is_ones_own_to_change(sign_in, people):
    browser = sign_in("reader")
    assert browser.post("/profile", {"display_name": "Rita <b>Reader</b>"}).status_code == 302
    text = browser.get("/profile").content.decode()
    assert "Rita &lt;b&gt;Reader&lt;/b&gt;" in text
    assert "<b>Reader" not in text
    assert browser.post("/profile", {"display_name": "x" * 300}).status_code == 400


def test_tokens_are_described_anew_and_only_ones_own(sign_in):
    browser = sign_in("reader")
    browser.post("/profile/tokens", {"days": "30", "comment": "laptop"})
    token = ApiToken.objects.get()
    assert "laptop" in browser.get(f"/profile/tokens/{token.pk}/comment").content.decode()
    assert browser.post(f"/profile/tokens/{token.pk}/comment", {"comment": "<i>CI</i>"}).status_code == 302
    assert "&lt;i&gt;CI&lt;/i&gt;" in browser.get("/profile/tokens").content.decode()
    assert sign_in("owner").get(f"/profile/tokens/{token.pk}/comment").status_code == 404


def test_lifetimes_keep_to_the_rules_of_the_workspace(sign_in, people):
    browser = sign_in("reader")
    update_settings(actor=people.metastore_admin, values={"maxTokenLifetimeDays": "45"})
    text = browser.get("/profile/tokens").content.decode()
    assert "45 days" in text
    assert "1 year" not in text
    assert "No end" not in text
    update_settings(actor=people.metastore_admin, values={"enableTokensConfig": "false"})
    assert "switched personal access tokens off" in browser.get("/profile/tokens").content.decode()
    assert browser.post("/profile/tokens", {"days": "30"}).status_code == 403


def test_the_theme_is_kept_in_the_browser(sign_in):
    browser = sign_in("reader")
    browser.post("/profile/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in browser.get("/profile").content.decode()
    browser.post("/profile/theme", {"theme": "javascript:"})
    assert "data-theme=" not in browser.get("/profile").content.decode()
