"""The dashboard's pages and the admin of its users, behind one sign-in."""

from typing import Any

from django.contrib.admin import display
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, re_path
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.sites import UnfoldAdminSite

from dashboard import browse, panels, views, wiring
from dashboard.models import Deed


class DashboardSite(UnfoldAdminSite):
    """Every page of the dashboard; none is shown to who has not signed in as staff."""

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return our pages, then those of the admin."""
        pages = [
            re_path(panel.path, self._let_in(views.Page, panel=panel), name=panel.name)
            for panel in panels.PANELS
        ]
        faults = panels.FAULTS if wiring.has_fault_buttons() else ()
        doings = [
            re_path(path, self._let_in(views.Doing, act=act, back=back))
            for path, act, back in (*panels.DOINGS, *faults)
        ]
        return [*pages, *doings, *self._get_api_urls(), *super().get_urls()]

    def _get_api_urls(self) -> list[URLPattern]:
        """Return the browsable API: only the names of processes, ports and plain words fit."""
        return [
            re_path(r"^api/?$", self._let_in(browse.ApiList), name="api"),
            re_path(
                r"^api/(?P<process>[a-z]+(?:-[0-9]{1,2})?)/(?P<listener>served|control)/"
                r"(?P<word>[a-z]{1,20})/?\Z",
                self._let_in(browse.ApiEndpoint),
            ),
        ]

    def _let_in(self, view: type[views.AdminView], **parts: Any) -> Any:
        """Return a view for staff only."""
        return self.admin_view(view.as_view(site=self, **parts))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the colours to our style sheet: the theme would write them into the page."""
        frame = super().each_context(request)
        return {**frame, "colors": {}, "has_fault_buttons": wiring.has_fault_buttons()}


class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Who may sign in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = None
    list_display = ("username", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")


class DeedAdmin(ModelAdmin):
    """What was done with the buttons: to be read, never to be changed."""

    actions = None
    list_display = ("when", "username", "action", "target", "result")
    search_fields = ("username", "action", "target")

    @display(description="When (UTC)", ordering="at")
    def when(self, deed: Deed) -> str:
        """Return it to the second."""
        return f"{deed.at:%Y-%m-%d %H:%M:%S}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody writes here by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Deed | None = None) -> bool:
        """Nobody alters it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Deed | None = None) -> bool:
        """Nobody deletes it."""
        return False


site = DashboardSite(name="admin")
site.register(User, UserAdmin)
site.register(Deed, DeedAdmin)
