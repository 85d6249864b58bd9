/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-libvirt: a libvirt in this process, which fails at the call that a test names. */
#include "fake-libvirt.h"

FakeLibvirt fake_libvirt;

static struct {
    GMutex lock;
    char *function; /* NULL: no call fails */
    int code;
    gboolean closes;
} plan;

static int connection; /* its address is the connection, of which there is one at a time */
static gint is_dead;   /* atomic: libvirtd has gone since it was opened */
static virConnectCloseFunc on_closed;
static void *on_closed_data;
static virConnectDomainEventCallback on_event;
static void *on_event_data;
static GPrivate last_error;

void
fake_libvirt_reset(void)
{
    g_clear_pointer(&plan.function, g_free);
    fake_libvirt = (FakeLibvirt){0};
    g_atomic_int_set(&is_dead, FALSE);
    on_event = NULL;
}

void
fake_libvirt_fail(const char *function, int code, gboolean closes)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&plan.lock);

    g_assert_null(plan.function);
    plan.function = g_strdup(function);
    plan.code = code;
    plan.closes = closes;
}

gboolean
fake_libvirt_has_failed(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&plan.lock);

    return !plan.function;
}

static gboolean
fail(int code)
{
    g_private_set(&last_error, GINT_TO_POINTER(code));
    return FALSE;
}

/* Whether this call succeeds. */
static gboolean
succeeds(const char *function)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&plan.lock);

    if (fake_libvirt.is_away || g_atomic_int_get(&is_dead))
        return fail(VIR_ERR_SYSTEM_ERROR);
    if (g_strcmp0(plan.function, function) != 0)
        return TRUE;
    g_clear_pointer(&plan.function, g_free);
    if (plan.closes)
        g_atomic_int_set(&is_dead, TRUE);
    return fail(plan.code);
}

#define SUCCEEDS() succeeds(__func__)

int
virGetLastErrorCode(void)
{
    return GPOINTER_TO_INT(g_private_get(&last_error));
}

const char *
virGetLastErrorMessage(void)
{
    return "the test wants this call to fail";
}

void
virSetErrorFunc(void *data, virErrorFunc handler)
{
}

int
virEventRegisterDefaultImpl(void)
{
    return 0;
}

/* --- the connection --- */

virConnectPtr
virConnectOpen(const char *name)
{
    if (fake_libvirt.is_away) {
        fail(VIR_ERR_SYSTEM_ERROR);
        return NULL;
    }
    g_atomic_int_set(&is_dead, FALSE);
    fake_libvirt.openings++;
    return (virConnectPtr)&connection;
}

int
virConnectRef(virConnectPtr conn)
{
    return 0;
}

int
virConnectClose(virConnectPtr conn)
{
    return 0;
}

int
virConnectGetLibVersion(virConnectPtr conn, unsigned long *version)
{
    *version = 0;
    return SUCCEEDS() ? 0 : -1;
}

int
virConnectGetVersion(virConnectPtr conn, unsigned long *version)
{
    *version = 7002022;
    return SUCCEEDS() ? 0 : -1;
}

int
virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr dom, int eventID,
                                 virConnectDomainEventGenericCallback cb, void *opaque,
                                 virFreeCallback freecb)
{
    on_event = (virConnectDomainEventCallback)(void (*)(void))cb;
    on_event_data = opaque;
    return SUCCEEDS() ? 1 : -1;
}

int
virConnectRegisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb, void *opaque,
                                virFreeCallback freecb)
{
    on_closed = cb;
    on_closed_data = opaque;
    return 0;
}

/* It is a call of libvirtd, which may find that the connection is dead. */
int
virConnectUnregisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb)
{
    if (fake_libvirt.dies_silently)
        on_closed(conn, VIR_CONNECT_CLOSE_REASON_EOF, on_closed_data);
    return 0;
}

int
virConnectSetKeepAlive(virConnectPtr conn, int interval, unsigned int count)
{
    return 0;
}

char *
virConnectGetDomainCapabilities(virConnectPtr conn, const char *emulatorbin, const char *arch,
                                const char *machine, const char *virttype, unsigned int flags)
{
    if (!SUCCEEDS())
        return NULL;
    return g_strdup_printf("<path>%s</path><machine>pc-q35-7.2</machine>"
                           "<mode name='host-model' supported='yes'>"
                           "<model fallback='forbid'>EPYC</model></mode>",
                           fake_libvirt.emulator);
}

/* --- machines --- */

static virDomainPtr
find(gboolean (*matches)(const FakeDomain *domain, const char *text), const char *text)
{
    for (guint i = 0; i < G_N_ELEMENTS(fake_libvirt.domains); i++)
        if (fake_libvirt.domains[i].name && matches(&fake_libvirt.domains[i], text))
            return (virDomainPtr)&fake_libvirt.domains[i];
    fail(VIR_ERR_NO_DOMAIN);
    return NULL;
}

static gboolean
has_name(const FakeDomain *domain, const char *name)
{
    return g_str_equal(domain->name, name);
}

static gboolean
has_uuid(const FakeDomain *domain, const char *uuid)
{
    return g_str_equal(domain->uuid, uuid);
}

virDomainPtr
virDomainLookupByName(virConnectPtr conn, const char *name)
{
    return SUCCEEDS() ? find(has_name, name) : NULL;
}

virDomainPtr
virDomainLookupByUUIDString(virConnectPtr conn, const char *uuid)
{
    return SUCCEEDS() ? find(has_uuid, uuid) : NULL;
}

int
virConnectListAllDomains(virConnectPtr conn, virDomainPtr **domains, unsigned int flags)
{
    int count = 0;

    if (!SUCCEEDS())
        return -1;
    *domains = calloc(G_N_ELEMENTS(fake_libvirt.domains), sizeof **domains);
    for (guint i = 0; i < G_N_ELEMENTS(fake_libvirt.domains); i++)
        if (fake_libvirt.domains[i].name)
            (*domains)[count++] = (virDomainPtr)&fake_libvirt.domains[i];
    return count;
}

const char *
virDomainGetName(virDomainPtr domain)
{
    return ((FakeDomain *)domain)->name;
}

int
virDomainGetUUIDString(virDomainPtr domain, char *buf)
{
    g_strlcpy(buf, ((FakeDomain *)domain)->uuid, VIR_UUID_STRING_BUFLEN);
    return 0;
}

int
virDomainGetControlInfo(virDomainPtr domain, virDomainControlInfoPtr info, unsigned int flags)
{
    gboolean is_busy = g_atomic_int_get(&((FakeDomain *)domain)->is_busy);

    *info = (virDomainControlInfo){is_busy ? VIR_DOMAIN_CONTROL_OCCUPIED : VIR_DOMAIN_CONTROL_OK};
    g_atomic_int_add(&fake_libvirt.busy_answers, is_busy);
    return SUCCEEDS() ? 0 : -1;
}

int
virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags)
{
    *state = ((FakeDomain *)domain)->state;
    *reason = ((FakeDomain *)domain)->reason;
    return SUCCEEDS() ? 0 : -1;
}

int
virDomainDestroy(virDomainPtr domain)
{
    if (!SUCCEEDS() || (fake_libvirt.refuses_destroy && !fail(VIR_ERR_OPERATION_TIMEOUT)))
        return -1;
    ((FakeDomain *)domain)->name = NULL;
    return 0;
}

typedef struct {
    virDomainPtr domain;
    int event;
} Event;

static gboolean
report_event(gpointer data)
{
    g_autofree Event *event = data;

    if (on_event)
        on_event((virConnectPtr)&connection, event->domain, event->event, /* detail= */ 0,
                 on_event_data);
    return G_SOURCE_REMOVE;
}

/* Libvirt reports nothing about a machine that is in this state already. */
static int
change_state(virDomainPtr domain, int state, int event)
{
    FakeDomain *fake = (FakeDomain *)domain;
    g_autofree Event *report = g_new0(Event, 1);

    if (fake->state == state)
        return 0;
    fake->state = state;
    fake->reason = state == VIR_DOMAIN_PAUSED ? VIR_DOMAIN_PAUSED_USER : 0;
    *report = (Event){domain, event};
    if (!fake_libvirt.loses_events)
        g_idle_add(report_event, g_steal_pointer(&report));
    return 0;
}

int
virDomainSuspend(virDomainPtr domain)
{
    g_atomic_int_inc(&fake_libvirt.suspends);
    if (!SUCCEEDS())
        return -1;
    return change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_EVENT_SUSPENDED);
}

int
virDomainResume(virDomainPtr domain)
{
    g_atomic_int_inc(&fake_libvirt.resumes);
    if (!SUCCEEDS())
        return -1;
    return change_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_EVENT_RESUMED);
}

int
virDomainFree(virDomainPtr domain)
{
    return 0;
}

virDomainPtr
virDomainCreateXML(virConnectPtr conn, const char *xmlDesc, unsigned int flags)
{
    if (SUCCEEDS())
        fail(VIR_ERR_INTERNAL_ERROR); /* this fake starts nothing */
    return NULL;
}
