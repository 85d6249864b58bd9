/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * native: functions that the runner needs and that JavaScript does not have; loaded by
 * process.dlopen().
 *
 * A separate thread waits for SIGINT and for the host's bytes, so that code can be ended which
 * never returns to the event loop. V8 ends code at its next call or loop iteration, together with
 * all JavaScript below it on the stack. So this file shields the runner's JavaScript from that.
 * Functions of V8 are declared here; those of node in napi.h.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "children.h"
#include "loop.h"
#include "napi.h"
#include "output.h"
#include "randomness.h"

/* Methods of v8::Isolate that end the executed code. */
void *isolate_current(void) __asm__("_ZN2v87Isolate10GetCurrentEv");
void isolate_terminate(void *isolate) __asm__("_ZN2v87Isolate18TerminateExecutionEv");
void isolate_cancel_terminate(void *isolate) __asm__("_ZN2v87Isolate24CancelTerminateExecutionEv");
void isolate_run_microtasks(void *isolate) __asm__(
    "_ZN2v815MicrotasksScope17PerformCheckpointEPNS_7IsolateE");

/* Callbacks for when the last JavaScript has left the stack, and when no microtask is left. */
void
isolate_on_call_end(void *isolate,
                    void (*)(void *)) __asm__("_ZN2v87Isolate24AddCallCompletedCallbackEPFvPS0_E");
void isolate_on_microtasks_end(void *isolate, void (*)(void *, void *), void *data) __asm__(
    "_ZN2v87Isolate30AddMicrotasksCompletedCallbackEPFvPS0_PvES2_");

#define READ_SIZE (256 * 1024)
/* After an interrupt, code that blocks the loop is ended when it has used this much processor time,
 * or has been idle for this long. Two clocks are needed because the machine may be busy with other
 * work. */
#define GRACE_CPU_MS 50
#define GRACE_MS 500
#define GRACE_STEP_MS 50

/* A message to JavaScript through its loop: bytes from the host, the number of an interrupted
 * execution, or nothing, after wake(). */
typedef struct {
    uint32_t interrupted;
    size_t size;
    char bytes[];
} News;

static void *isolate;
static napi_tsfn tell;
static int channel_fd = -1, interrupt_fd = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t executing;    /* the execution that SIGINT ends; 0: none */
static bool is_shielded;      /* the runner's own JavaScript runs */
static atomic_bool is_ending; /* V8 was asked to end the executed code */
static bool is_due;           /* `due` must be ended; used only by the thread */
static uint32_t due;
static int64_t due_cpu_ms, due_ms; /* both clocks at the interrupt */
static pthread_t main_thread;
static bool is_in_child;  /* JavaScript waits for a child in execSync() */
static unsigned attempts; /* to end that child */
static Children before_execution, before_child;
static unsigned waiting; /* requests that wait for the event loop */

/* Memory of node: its number of nested asynchronous calls, and the ids of the innermost call and of
 * its cause. */
static uint32_t *calls_depth;
static double *calls_ids;
static uint32_t *calls_ended; /* how many interrupts have ended */
static bool has_left_microtasks, is_dropping;

static void
on_sigint(int number)
{
    int saved = errno;
    output_has_sigint = true;
    (void)!write(interrupt_fd, &(uint64_t){1}, sizeof(uint64_t));
    errno = saved;
}

/* Installs the handler again, which code may have replaced. Without SA_RESTART, so that a write to
 * a full pipe ends. */
static void
take_sigint(void)
{
    struct sigaction action = {.sa_handler = on_sigint};
    sigaction(SIGINT, &action, NULL);
}

static void
cancel_end_locked(void)
{
    is_ending = false;
    isolate_cancel_terminate(isolate);
}

/* From now on the runner's JavaScript runs, which must not be ended. */
static void
begin_shield_locked(void)
{
    is_shielded = true;
    cancel_end_locked();
}

static void
set_shield(bool is_on)
{
    pthread_mutex_lock(&lock);
    is_shielded = is_on;
    pthread_mutex_unlock(&lock);
}

/*
 * Code that was ended has not left its asynchronous calls in node's records. If these are observed,
 * as by AsyncLocalStorage, node aborts when calls are left on an empty stack. It ignores the end of
 * a call that was already removed.
 */
static void
forget_calls(void)
{
    *calls_depth = 0;
    calls_ids[0] = calls_ids[1] = 0;
    ++*calls_ended;
}

/*
 * Microtasks of ended code would continue it. V8 drops all microtasks when one of them is ended,
 * but it runs none during on_call_end().
 */
static void
drop_microtasks(void)
{
    if (!has_left_microtasks)
        return;
    is_dropping = true;
    isolate_terminate(isolate);
    isolate_run_microtasks(isolate);
    pthread_mutex_lock(&lock);
    if (!is_ending)
        isolate_cancel_terminate(isolate);
    pthread_mutex_unlock(&lock);
    ++*calls_ended;
    has_left_microtasks = is_dropping = false;
}

/*
 * The code that was to be ended has left the stack. The request must be cancelled, because
 * otherwise node cannot make any call, and its loop of timers would retry for ever.
 */
static void
on_call_end(void *unused)
{
    (void)unused;
    if (!is_ending)
        return;
    pthread_mutex_lock(&lock);
    cancel_end_locked();
    pthread_mutex_unlock(&lock);
    forget_calls();
    has_left_microtasks = true;
    loop_keep();
}

static void
on_microtasks_end(void *unused, void *data)
{
    (void)data;
    if (is_dropping)
        return;
    on_call_end(unused);
    loop_on_microtasks_end();
}

/* --- the thread --- */

static void
send_news(uint32_t interrupted, const void *bytes, size_t size)
{
    News *news = calloc(1, sizeof *news + size);
    if (!news)
        _exit(1);
    news->interrupted = interrupted;
    news->size = size;
    if (size > 0)
        memcpy(news->bytes, bytes, size);
    napi_call_threadsafe_function(tell, news, /* blocking= */ 0);
}

/*
 * Asks V8 to end the executed code. Code of an earlier execution may continue unless a request
 * waits. Returns the number of the execution.
 */
static uint32_t
end_execution_locked(void)
{
    uint32_t number = executing;
    if ((number != 0 || waiting != 0) && !is_shielded) {
        is_ending = true;
        isolate_terminate(isolate);
    }
    return number;
}

static bool
end_execution(void)
{
    pthread_mutex_lock(&lock);
    uint32_t number = end_execution_locked();
    pthread_mutex_unlock(&lock);
    return number != 0;
}

/* Returns whether SIGINT has arrived since the last call. Needs the lock, because an execution that
 * begins also calls it, to drop earlier interrupts. */
static bool
take_interrupt_locked(void)
{
    uint64_t count;
    return read(interrupt_fd, &count, sizeof count) > 0;
}

static int64_t
now_ms(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return now.tv_sec * (int64_t)1000 + now.tv_nsec / 1000000;
}

/* Returns the clock of the main thread's processor time. */
static clockid_t
main_clock(void)
{
    clockid_t clock = CLOCK_MONOTONIC;
    pthread_getcpuclockid(main_thread, &clock);
    return clock;
}

/* Ends the execution that is due, but not one that has begun meanwhile. */
static void
end_due_locked(void)
{
    is_due = false;
    if (executing == due)
        end_execution_locked();
}

/* Signals the child that execSync() waits for. If it does not end, the host must kill the runner,
 * and all state is lost. */
static void
signal_awaited_child(void)
{
    static const int signals[] = {SIGINT, SIGINT, SIGTERM, SIGKILL};
    static const unsigned last = sizeof signals / sizeof *signals - 1;
    children_signal(&before_child, /* is_detached_too= */ true,
                    signals[attempts < last ? attempts : last]);
    attempts++;
}

/*
 * The event loop gets the interrupt first, because code can be ended safely only between calls of
 * node. Code that blocks the loop is ended after a time, or at the next SIGINT. Code that waits for
 * a child in execSync() is ended at once, because it must not continue when the signal has ended
 * the child. Returns the number of the execution.
 */
static uint32_t
interrupt_locked(void)
{
    uint32_t number = executing;
    if (number == 0 && waiting == 0)
        return 0;
    if (is_in_child || (is_due && due == number)) {
        due = number;
        end_due_locked();
    } else {
        is_due = true;
        due = number;
        due_ms = now_ms(CLOCK_MONOTONIC);
        due_cpu_ms = now_ms(main_clock());
    }
    if (is_in_child)
        signal_awaited_child();
    return number;
}

static void
interrupt(void)
{
    pthread_mutex_lock(&lock);
    uint32_t number = take_interrupt_locked() ? interrupt_locked() : 0;
    pthread_mutex_unlock(&lock);
    if (number != 0)
        send_news(number, NULL, 0);
}

static void
end_due(void)
{
    bool is_over = now_ms(CLOCK_MONOTONIC) - due_ms >= GRACE_MS ||
                   now_ms(main_clock()) - due_cpu_ms >= GRACE_CPU_MS;
    pthread_mutex_lock(&lock);
    if (is_over || executing != due)
        end_due_locked();
    pthread_mutex_unlock(&lock);
}

/* The runner exits when the host has closed its end, regardless of what code runs. */
static void
read_channel(void)
{
    static char bytes[READ_SIZE];
    ssize_t size = read(channel_fd, bytes, sizeof bytes);
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (size <= 0)
        _exit(size == 0 ? 0 : 1);
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_mutex_unlock(&lock);
    send_news(0, bytes, size);
}

static void *
watch(void *unused)
{
    struct pollfd fds[] = {{interrupt_fd, POLLIN, 0}, {channel_fd, POLLIN, 0}};
    for (;;) {
        int count = poll(fds, 2, is_due ? GRACE_STEP_MS : -1);
        if (count == 0)
            end_due();
        if (count <= 0)
            continue;
        if (fds[0].revents)
            interrupt();
        if (fds[1].revents)
            read_channel();
    }
    return NULL;
}

/* Runs in the main thread, called by its loop. */
static void
deliver(napi_env env, napi_value callback, void *context, void *data)
{
    News *news = data;
    napi_value self, arguments[2], result;
    if (!env) {
        free(news);
        return;
    }
    drop_microtasks();
    pthread_mutex_lock(&lock);
    waiting -= news->size > 0;
    begin_shield_locked();
    pthread_mutex_unlock(&lock);
    napi_get_undefined(env, &self);
    napi_create_uint32(env, news->interrupted, &arguments[0]);
    napi_create_buffer_copy(env, news->size, news->bytes, NULL, &arguments[1]);
    free(news);
    napi_call_function(env, self, callback, 2, arguments, &result);
    set_shield(false);
}

/* --- what JavaScript calls --- */

/* watchCalls(depth, ids, ended): the arrays in which node keeps these, which it never moves, and a
 * counter of ended calls */
static napi_value
watch_calls_js(napi_env env, napi_info info)
{
    napi_value arguments[3];
    arguments_of(env, info, 3, arguments);
    calls_depth = memory_of(env, arguments[0]);
    calls_ids = memory_of(env, arguments[1]);
    calls_ended = memory_of(env, arguments[2]);
    isolate_on_call_end(isolate_current(), on_call_end);
    isolate_on_microtasks_end(isolate_current(), on_microtasks_end, NULL);
    return NULL;
}

/* listen(fd, callback): callback(interrupted, bytes); both are empty after wake(); after
 * watchCalls() */
static napi_value
listen_js(napi_env env, napi_info info)
{
    napi_value arguments[2], name;
    sigset_t all, before;
    pthread_t thread;
    int failed;
    arguments_of(env, info, 2, arguments);
    channel_fd = int_argument(env, arguments[0]);
    interrupt_fd = move_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    isolate = isolate_current();
    main_thread = pthread_self();
    napi_create_string_utf8(env, "cloche", AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, arguments[1], NULL, name, /* queue= */ 0, 1, NULL, NULL,
                                    NULL, deliver, &tell);
    loop_take_handle(env, tell);
    output_open(channel_fd, end_execution);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        napi_throw_error(env, NULL, "no thread can be started");
    take_sigint();
    return NULL;
}

/* Calls the function and returns whether it was ended. The state is then as if it had returned. */
static bool
was_ended(napi_env env, napi_value function, bool is_shielded_then)
{
    napi_value self, result;
    bool answer;
    napi_get_undefined(env, &self);
    napi_call_function(env, self, function, 0, NULL, &result);
    pthread_mutex_lock(&lock);
    answer = is_ending;
    is_shielded = is_shielded_then;
    cancel_end_locked();
    pthread_mutex_unlock(&lock);
    if (answer) {
        napi_get_and_clear_last_exception(env, &result);
        forget_calls();
    }
    return answer;
}

/* run(number, function) → whether it was interrupted. The execution `number` begins. */
static napi_value
run_js(napi_env env, napi_info info)
{
    napi_value arguments[2], result;
    bool was_shielded;
    arguments_of(env, info, 2, arguments);
    take_sigint();
    pthread_mutex_lock(&lock);
    take_interrupt_locked();
    napi_get_value_uint32(env, arguments[0], &executing);
    children_note(&before_execution);
    was_shielded = is_shielded;
    is_shielded = false;
    pthread_mutex_unlock(&lock);
    napi_get_boolean(env, was_ended(env, arguments[1], was_shielded), &result);
    return result;
}

/* spawn(function, options) → the result of the function of node's spawn_sync, which may throw */
static napi_value
spawn_js(napi_env env, napi_info info)
{
    napi_value arguments[2], self, result = NULL;
    arguments_of(env, info, 2, arguments);
    pthread_mutex_lock(&lock);
    children_note(&before_child);
    is_in_child = true;
    attempts = 0;
    pthread_mutex_unlock(&lock);
    napi_get_undefined(env, &self);
    napi_call_function(env, self, arguments[0], 1, &arguments[1], &result);
    pthread_mutex_lock(&lock);
    is_in_child = false;
    pthread_mutex_unlock(&lock);
    return result;
}

/*
 * interruptChildren(): signals the children of the execution. Not done by the thread, because node
 * would handle their end while its JavaScript may be ended at any point.
 */
static napi_value
interrupt_children_js(napi_env env, napi_info info)
{
    (void)env;
    (void)info;
    children_signal(&before_execution, /* is_detached_too= */ false, SIGINT);
    return NULL;
}

/* guard(function) → whether it was ended. The caller is not ended with it. */
static napi_value
guard_js(napi_env env, napi_info info)
{
    napi_value function, result;
    arguments_of(env, info, 1, &function);
    loop_end_watch();
    drop_microtasks();
    napi_get_boolean(env, was_ended(env, function, is_shielded), &result);
    return result;
}

/* rest(function): ends the execution, so SIGINT ends nothing any more, and calls the function,
 * which is not ended either. */
static napi_value
rest_js(napi_env env, napi_info info)
{
    napi_value function, self, result;
    bool was_shielded;
    arguments_of(env, info, 1, &function);
    pthread_mutex_lock(&lock);
    executing = 0;
    was_shielded = is_shielded;
    begin_shield_locked();
    pthread_mutex_unlock(&lock);
    take_sigint();
    napi_get_undefined(env, &self);
    napi_call_function(env, self, function, 0, NULL, &result);
    set_shield(was_shielded);
    return NULL;
}

/*
 * stop(): ends the execution that calls this as an interrupt would, and at once; the caller must
 * loop until it is. The callback of listen() gets the execution's number.
 */
static napi_value
stop_js(napi_env env, napi_info info)
{
    (void)env;
    (void)info;
    pthread_mutex_lock(&lock);
    uint32_t number = executing;
    is_ending = true;
    isolate_terminate(isolate);
    pthread_mutex_unlock(&lock);
    if (number != 0)
        send_news(number, NULL, 0);
    return NULL;
}

/* wake(): calls the callback of listen() from the loop, after all microtasks. */
static napi_value
wake_js(napi_env env, napi_info info)
{
    (void)env;
    (void)info;
    send_news(0, NULL, 0);
    return NULL;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports);

napi_value
napi_register_module_v1(napi_env env, napi_value exports)
{
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {
        {"moveHigh", move_high_js},
        {"listen", listen_js},
        {"watchCalls", watch_calls_js},
        {"watchTurn", watch_turn_js},
        {"run", run_js},
        {"guard", guard_js},
        {"spawn", spawn_js},
        {"interruptChildren", interrupt_children_js},
        {"rest", rest_js},
        {"stop", stop_js},
        {"keepAlive", keep_alive_js},
        {"isAlive", is_alive_js},
        {"watchLoop", watch_loop_js},
        {"wake", wake_js},
        {"write", write_js},
        {"putBack", put_back_js},
        {"reseed", reseed_js},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        napi_create_function(env, functions[i].name, AUTO_LENGTH, functions[i].function, NULL,
                             &function);
        napi_set_named_property(env, exports, functions[i].name, function);
    }
    return exports;
}
