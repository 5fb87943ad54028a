"""The dashboard's pages and the admin of its users, behind one sign-in."""

from operator import attrgetter
from typing import Any

from django.contrib.admin import display
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Permission, User
from django.db.models import ManyToManyField
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, re_path
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from dashboard import views, wiring
from dashboard.actions import ACTIONS, ActionForm, FaultAction
from dashboard.models import PERMISSIONS, AuditEntry
from dashboard.panels import PANELS, DashboardPanel


class DashboardSite(UnfoldAdminSite):
    """Every page of the dashboard, for signed-in staff only."""

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the sign-in page, or check a password if that is in its turn (429)."""

        def show() -> HttpResponse:
            page: HttpResponse = super(DashboardSite, self).login(request, extra_context)
            return page

        return wiring.sign_in_guard().answer(request, show) if request.method == "POST" else show()

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return our pages, then those of the admin."""
        faults = (FaultAction,) if wiring.has_fault_buttons() else ()
        return [
            *(self._page_route(panel) for panel in PANELS),
            *(self._action_route(action) for action in (*ACTIONS, *faults)),
            re_path(r"^stocks/names/?$", self._admit(views.StockNames), name="names"),
            re_path(r"^api/?$", self._admit(views.ApiList), name="api"),
            re_path(  # only the names of processes and ports and plain words fit
                r"^api/(?P<process>[a-z]+(?:-[0-9]{1,5})?)/(?P<port_name>served|control)/"
                r"(?P<word>[a-z]{1,20})/?\Z",
                self._admit(views.ApiEndpoint),
            ),
            *super().get_urls(),
        ]

    def _page_route(self, panel: DashboardPanel) -> Any:
        name = "index" if panel.is_index else panel.name
        return re_path(panel.path, self._admit(views.PanelPage, panel=panel), name=name)

    def _action_route(self, action: type[ActionForm]) -> Any:
        view = self._admit(views.ActionView, action=action, permission=action.permission)
        return re_path(action.path, view)

    def _admit(self, view: type[views.AdminView], **options: Any) -> Any:
        """Return a view for staff only."""
        return self.admin_view(view.as_view(site=self, **options))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the colours to our style sheet: the theme would write them into the page."""
        frame = super().each_context(request)
        return {**frame, "colors": {}, "has_fault_buttons": wiring.has_fault_buttons()}


class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """The users of the dashboard, for superusers."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = None
    list_display = ("username", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ()
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        """Offer the dashboard's own permissions, each as a checkbox with its name."""
        own = Permission.objects.filter(
            content_type__app_label="dashboard", codename__in=PERMISSIONS
        )
        options |= {
            "queryset": own.order_by("name"),
            "label": "Permissions",
            "help_text": "What this user may do as staff; superusers may do everything.",
            "widget": UnfoldAdminCheckboxSelectMultipleWidget,
        }
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        field.label_from_instance = attrgetter("name")
        return field


class AuditEntryAdmin(ModelAdmin):
    """The audit: to be read, never to be changed."""

    actions = None
    list_display = ("when", "username", "action", "target", "result")
    search_fields = ("username", "action", "target")

    @display(description="When (UTC)", ordering="at")
    def when(self, entry: AuditEntry) -> str:
        """Return the time to the second."""
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    def has_add_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Refuse it, as changing and deleting: only actions write entries."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


site = DashboardSite(name="admin")
site.register(User, UserAdmin)
site.register(AuditEntry, AuditEntryAdmin)
