package weir

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Processor covers cases that the other operators do not. Stream.Process runs it: one is made for each task, and all its methods
// are called by the goroutine of that task. Its fields are lost with the task: state belongs into stores. K and V are the key
// and value of the records that it processes, L and W those of the records that it forwards.
type Processor[K, V, L, W any] interface {
	// Init is called before anything else. The processor keeps c, and may call its methods in Process and OnTimer.
	Init(c ProcessorContext[L, W]) error
	// Process is called for each record that has a key, with the stores placed on it. Timers that are due by the time of
	// the record have fired before.
	Process(ctx context.Context, r Record[K, V]) error
	// OnTimer is called for each timer that is due, with the stores placed on its key.
	OnTimer(ctx context.Context, t Timer[K]) error
	// Close is called when the task ends, and when it goes back to the last checkpoint: a new processor is made then.
	// The stores must not be used any more.
	Close() error
}

// ProcessorContext gives a [Processor] access to its task. Its methods are called by the goroutine of the task.
type ProcessorContext[L, W any] interface {
	// Forward hands on a record of any key, value, time and headers, all the way through the topology. The headers must not
	// change until it returns. Its error is that of the operators behind; the processor should return it, and it counts anyway.
	// Outside of Process and OnTimer it fails.
	Forward(r Record[L, W]) error
	// Now returns the time of the machine's clock. Results that depend on it differ when records are processed again.
	Now() time.Time
	// Origin returns the input record that is being processed, or was last when a timer fires.
	Origin() Origin
	// Logger returns the logger of the task.
	Logger() *slog.Logger
}

// ProcessorBase is to be embedded in a [Processor]: it keeps the context, and has the methods that a processor without
// timers and resources need not write. L and W are the key and value of forwarded records.
type ProcessorBase[K, L, W any] struct{ ProcessorContext[L, W] }

// Init keeps the context.
func (b *ProcessorBase[K, L, W]) Init(c ProcessorContext[L, W]) error {
	b.ProcessorContext = c
	return nil
}

// OnTimer fails: a processor that sets timers has to write it.
func (*ProcessorBase[K, L, W]) OnTimer(_ context.Context, t Timer[K]) error {
	return fmt.Errorf("timer %q has fired, and the processor has no method OnTimer", t.Name)
}

// Close does nothing.
func (*ProcessorBase[K, L, W]) Close() error { return nil }

// Holder is a [Processor] that keeps records and forwards them later under their own time, which is older than that of the
// record or the timer by which it does so. With Config.IdleTimeout, the event time of the operators and tasks behind it does
// not pass these records. A processor without this method is taken to forward nothing older than the record or event-time
// timer that it processes; with a timer in ProcessingTime, nothing older than the last record.
type Holder interface {
	// Oldest returns the least time of the records that may be forwarded later, and false if there are none. It is called by
	// the task's goroutine, without a key: the stores of the processor must not be used.
	Oldest() (at time.Time, ok bool)
}

// Timer is a timer that fires. A store of timers (store.NewTimers) sets it.
type Timer[K any] struct {
	// Key is the key of the timer.
	Key  K
	Kind TimerKind
	Name string
	// Millis is the time of the timer, in milliseconds since the Unix epoch. See Time.
	Millis int64
}

// Time returns the time of the timer. It may have fired later.
func (t Timer[K]) Time() time.Time { return time.UnixMilli(t.Millis) }

// DefaultMaxFutureSkew is how far the time of a record may be ahead of the clock of the machine, for windows, for states with a
// time to live, and for timers, unless their definition says otherwise: the time of a record that is further ahead counts as wrong.
const DefaultMaxFutureSkew = time.Hour

// TimerKind says by which time a timer fires.
type TimerKind uint8

const (
	// EventTime is the time of records: a timer fires when a record with at least the time of the timer arrives.
	EventTime TimerKind = iota
	// ProcessingTime is the time of the machine: a timer fires soon after, also if no records come, and soon after the start
	// of the application if it was not running.
	ProcessingTime
)

// String returns "event time" or "processing time".
func (k TimerKind) String() string {
	if k == ProcessingTime {
		return "processing time"
	}
	return "event time"
}
