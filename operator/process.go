package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
)

// Processor covers cases that the other operators do not. One is made for each task, and all its methods are called by the
// goroutine of that task. Its fields are lost with the task: state belongs into stores.
type Processor[K, V, L, W any] interface {
	// Init is called before anything else. The processor keeps c, and may call its methods in Process and OnTimer.
	Init(c *ProcessorContext[L, W]) error
	// Process is called for each record that has a key, with the stores placed on it. Timers that are due by the time of
	// the record have fired before.
	Process(ctx context.Context, r Record[K, V]) error
	// OnTimer is called for each timer that is due, with the stores placed on its key.
	OnTimer(ctx context.Context, t Timer[K]) error
	// Close is called when the task ends, and when it goes back to the last checkpoint: a new processor is made then.
	// The stores must not be used any more.
	Close() error
}

// Holder is a [Processor] that keeps records and forwards them later under their own time, which is older than that of the
// record or the timer by which it does so. With Config.IdleTimeout, the event time of the operators and tasks behind it does
// not pass these records. A processor without this method is taken to forward nothing older than the record or event-time
// timer that it processes; with a timer in store.ClockTime, nothing older than the last record.
type Holder interface {
	// Oldest returns the least time of the records that may be forwarded later, and false if there are none. It is called by
	// the task's goroutine, without a key: the stores of the processor must not be used.
	Oldest() (at time.Time, ok bool)
}

// Timer is a timer that fires.
type Timer[K any] struct {
	// Key is the key of the timer.
	Key  K
	Kind store.TimerKind
	Name string
	// Millis is the time of the timer, in milliseconds since the Unix epoch. See Time.
	Millis int64
}

// Time returns the time of the timer. It may have fired later.
func (t Timer[K]) Time() time.Time { return time.UnixMilli(t.Millis) }

// ProcessorBase is to be embedded in a processor: it keeps the context, and has the methods that a processor without
// timers and resources need not write. L and W are the key and value of emitted records.
type ProcessorBase[K, L, W any] struct{ *ProcessorContext[L, W] }

// Init keeps the context.
func (b *ProcessorBase[K, L, W]) Init(c *ProcessorContext[L, W]) error {
	b.ProcessorContext = c
	return nil
}

// OnTimer fails: a processor that sets timers has to write it.
func (*ProcessorBase[K, L, W]) OnTimer(_ context.Context, t Timer[K]) error {
	return fmt.Errorf("timer %q has fired, and the processor has no method OnTimer", t.Name)
}

// Close does nothing.
func (*ProcessorBase[K, L, W]) Close() error { return nil }

// ProcessorContext gives a processor access to its task.
type ProcessorContext[L, W any] struct {
	env    *Env
	next   Receiver[L, W]
	again  func() error
	open   bool  // during Process and OnTimer
	failed error // of what came after Forward
	out    Record[L, W]
	// least is the time of the record or timer that is being processed. olderNotSaid is set as long as it is worth a line in the
	// log that the processor forwards older records.
	least        int64
	olderNotSaid bool
}

// Forward hands on a record of any key, value, time and headers, all the way through the topology. The headers must not
// change until it returns. Its error is that of the operators behind; the processor should return it, and it counts anyway.
func (c *ProcessorContext[L, W]) Forward(r Record[L, W]) error {
	if !c.open {
		return errNotNow
	}
	if c.failed != nil {
		return c.failed
	}
	c.out = r
	c.out.Origin = &c.env.Origin
	if c.olderNotSaid && r.Millis < c.least {
		c.olderNotSaid = false
		c.env.Logger.Warn("a processor forwards a record that is older than the record or timer it processes; behind a GroupBy it may be late, "+
			"because of Config.IdleTimeout, unless the processor has a method Oldest (stream.Holder)",
			"time", r.Time(), "processing", time.UnixMilli(c.least))
	}
	if c.failed = c.next.Receive(&c.out); c.failed == nil {
		c.failed = c.again()
	}
	return c.failed
}

var errNotNow = errors.New("a processor forwards records in Process and OnTimer only")

// Now returns the time of the machine's clock. Results that depend on it differ when records are processed again.
func (c *ProcessorContext[L, W]) Now() time.Time { return c.env.now() }

// Origin returns the input record that is being processed, or was last when a timer fires.
func (c *ProcessorContext[L, W]) Origin() Origin { return c.env.Origin }

// Logger returns the logger of the task.
func (c *ProcessorContext[L, W]) Logger() *slog.Logger { return c.env.Logger }

// process runs a Processor.
type process[K, V, T, L, W any] struct {
	states[K, T]
	codec     codec.Codec[K]
	timers    []*store.Timers
	make      func(T) Processor[K, V, L, W]
	processor Processor[K, V, L, W]
	context   ProcessorContext[L, W]
	broken    error // a new processor could not be made
	latest    int64 // time of the last record
}

// NewProcess opens the stores in the task of env and returns the operator that runs the processor that f makes of them.
// Records with a null key are skipped and counted.
func NewProcess[K, V, T, L, W any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K], f func(T) Processor[K, V, L, W], next Receiver[L, W],
) (Receiver[K, V], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	p := &process[K, V, T, L, W]{states: s, codec: key, make: f}
	p.context = ProcessorContext[L, W]{env: env, next: next, again: p.again}
	for _, u := range s.uses {
		if t, ok := u.Store.(*store.Timers); ok {
			p.timers = append(p.timers, t)
		}
	}
	if len(p.timers) > 0 {
		env.OnIdle(node, p.idle)
		env.Clocks = append(env.Clocks, p)
	}
	env.OnHold(node, p.hold)
	env.OnRewind = append(env.OnRewind, p.rewind)
	env.OnClose = append(env.OnClose, p.close)
	if err := p.start(); err != nil {
		return nil, err
	}
	return p, nil
}

// start makes the processor. It is called where nobody else would recover from a panic.
func (p *process[K, V, T, L, W]) start() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("start a processor: panic: %v", r)
		}
	}()
	p.env.Enter(p.node)
	p.processor = p.make(p.stores)
	if p.processor == nil {
		return errors.New("start a processor: it is nil")
	}
	if err := p.processor.Init(&p.context); err != nil {
		return fmt.Errorf("start a processor: %w", err)
	}
	_, holds := p.processor.(Holder)
	p.context.olderNotSaid = p.env.KeepsTime && !holds
	return nil
}

func (p *process[K, V, T, L, W]) close() error {
	if p.processor == nil {
		return nil
	}
	p.env.Enter(p.node)
	closing := p.processor
	p.processor = nil
	return closing.Close()
}

func (p *process[K, V, T, L, W]) rewind() {
	p.broken = func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("close a processor: panic: %v", r)
			}
		}()
		return p.close()
	}()
	if p.broken == nil {
		p.broken = p.start()
	}
}

// Receive implements [Receiver].
func (p *process[K, V, T, L, W]) Receive(r *Record[K, V]) error {
	p.env.Enter(p.node)
	if p.broken != nil {
		return Fatal(p.broken)
	}
	if r.KeyNull || p.keys.null.is(r.Key) {
		p.env.skipNullKey(p.node)
		return nil
	}
	p.latest = r.Millis
	if err := p.fireEvents(r.Millis); err != nil {
		return err
	}
	if _, err := p.enter(r.Key, r.KeyNull, r.Millis); err != nil {
		return err
	}
	p.context.open, p.context.failed, p.context.least = true, nil, r.Millis
	err := p.processor.Process(p.env.Context, *r)
	if err := p.done(err); err != nil {
		return err
	}
	return p.fireEvents(r.Millis) // those that were set for now
}

// done returns the error of a call of the processor.
func (p *process[K, V, T, L, W]) done(err error) error {
	p.context.open = false
	if p.context.failed != nil {
		return p.context.failed
	}
	if failed := p.err(); failed != nil {
		return failed
	}
	return err
}

// fireEvents fires the timers in event time that are due when a record of that time comes.
func (p *process[K, V, T, L, W]) fireEvents(millis int64) error {
	for _, t := range p.timers {
		reached, err := t.Reach(millis)
		if err != nil {
			return Fatal(err)
		}
		if reached == store.NoTime {
			continue
		}
		if _, err := p.fire(t, store.EventTime, reached); err != nil {
			return err
		}
	}
	return nil
}

// fire fires the timers that are due, and reports whether there were any.
func (p *process[K, V, T, L, W]) fire(t *store.Timers, kind store.TimerKind, limit int64) (fired bool, err error) {
	for {
		encoded, name, at, ok, err := t.Due(kind, limit)
		if err != nil || !ok {
			return fired, Fatal(err)
		}
		fired = true
		p.keys.buffer = append(p.keys.buffer[:0], encoded...)
		key, err := p.codec.Decode(&p.keys.context, p.keys.buffer)
		if err != nil {
			return fired, Fatal(fmt.Errorf("store %q: decode key %q: %w", t.Name(), p.keys.buffer, err))
		}
		if p.at = p.latest; kind == store.EventTime {
			p.at = at
		}
		p.env.Enter(p.node)
		if err := p.place(p.keys.buffer); err != nil {
			return fired, err
		}
		p.context.open, p.context.failed, p.context.least = true, nil, p.at
		err = p.processor.OnTimer(p.env.Context, Timer[K]{Key: key, Kind: kind, Name: name, Millis: at})
		if err := p.done(err); err != nil {
			return fired, err
		}
	}
}

// idle fires timers in event time when no records come.
func (p *process[K, V, T, L, W]) idle(millis int64) error {
	p.env.Enter(p.node)
	if p.broken != nil {
		return p.broken
	}
	for _, t := range p.timers {
		reached, err := t.Reach(store.NoTime)
		if err != nil {
			return err
		}
		if reached == store.NoTime || millis <= reached {
			continue
		}
		fired, err := p.fire(t, store.EventTime, millis)
		if err != nil {
			return err
		}
		if fired { // so that they fire once if they are set again
			if _, err := t.Reach(millis); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold returns the watermark of the processor. It emits nothing older than the record or the timer that it processes, or than
// its Oldest.
func (p *process[K, V, T, L, W]) hold(reached int64) (int64, error) {
	p.env.Enter(p.node)
	for _, t := range p.timers {
		earliest, err := t.Earliest(store.EventTime, reached)
		if err != nil {
			return NoWatermark, Fatal(err)
		}
		reached = min(reached, earliest)
	}
	if h, ok := p.processor.(Holder); ok {
		if oldest, ok := h.Oldest(); ok {
			reached = min(reached, oldest.UnixMilli())
		}
	}
	return reached, nil
}

// Next implements [Clock].
func (p *process[K, V, T, L, W]) Next() int64 {
	next := int64(math.MaxInt64)
	for _, t := range p.timers {
		next = min(next, t.Next(store.ClockTime))
	}
	return next
}

// Ring implements [Clock].
func (p *process[K, V, T, L, W]) Ring(now int64) error {
	p.env.Enter(p.node)
	if p.broken != nil {
		return p.broken
	}
	for _, t := range p.timers {
		if _, err := p.fire(t, store.ClockTime, now); err != nil {
			return err
		}
	}
	return nil
}
