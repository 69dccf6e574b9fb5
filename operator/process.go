package operator

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
)

// processorContext implements [weir.ProcessorContext].
type processorContext[L, W any] struct {
	env    *Env
	next   Receiver[L, W]
	again  func() error
	open   bool  // during Process and OnTimer
	failed error // of what came after Forward
	out    weir.Record[L, W]
	// least is the time of the record or timer that is being processed. olderNotSaid is set as long as it is worth a line in the
	// log that the processor forwards older records.
	least        int64
	olderNotSaid bool
}

// Forward hands on a record of any key, value, time and headers, all the way through the topology. The headers must not
// change until it returns. Its error is that of the operators behind; the processor should return it, and it counts anyway.
func (c *processorContext[L, W]) Forward(r weir.Record[L, W]) error {
	if !c.open {
		return errNotNow
	}
	if c.failed != nil {
		return c.failed
	}
	c.out = r
	c.out.Origin = &c.env.Origin
	if c.olderNotSaid && r.Millis < c.least {
		c.sayOlder(r.Millis)
	}
	if c.failed = c.next.Receive(&c.out); c.failed == nil {
		c.failed = c.again()
	}
	return c.failed
}

// sayOlder logs that an older record is forwarded, once.
func (c *processorContext[L, W]) sayOlder(millis int64) {
	c.olderNotSaid = false
	c.env.Logger.Warn("a processor forwards a record that is older than the record or timer it processes; behind a GroupBy it may be late, "+
		"because of Config.IdleTimeout, unless the processor has a method Oldest (weir.Holder)",
		"time", time.UnixMilli(millis), "processing", time.UnixMilli(c.least))
}

var errNotNow = errors.New("a processor forwards records in Process and OnTimer only")

// Now returns the time of the machine's clock. Results that depend on it differ when records are processed again.
func (c *processorContext[L, W]) Now() time.Time { return c.env.now() }

// Origin returns the input record that is being processed, or was last when a timer fires.
func (c *processorContext[L, W]) Origin() weir.Origin { return c.env.Origin }

// Logger returns the logger of the task.
func (c *processorContext[L, W]) Logger() *slog.Logger { return c.env.Logger }

// process runs a Processor.
type process[K, V, T, L, W any] struct {
	states[K, T]
	codec     codec.Codec[K]
	timers    []*state.Timers
	make      func(T) weir.Processor[K, V, L, W]
	processor weir.Processor[K, V, L, W]
	context   processorContext[L, W]
	broken    error // a new processor could not be made
	latest    int64 // time of the last record
}

// NewProcess opens the stores in the task of env and returns the operator that runs the processor that f makes of them.
// Records with a null key are skipped and counted.
func NewProcess[K, V, T, L, W any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K], f func(T) weir.Processor[K, V, L, W], next Receiver[L, W],
) (Receiver[K, V], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	p := &process[K, V, T, L, W]{states: s, codec: key, make: f}
	p.context = processorContext[L, W]{env: env, next: next, again: p.again}
	for _, u := range s.uses {
		if t, ok := u.Store.(*state.Timers); ok {
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
	_, holds := p.processor.(weir.Holder)
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
func (p *process[K, V, T, L, W]) Receive(r *weir.Record[K, V]) error {
	p.env.Enter(p.node)
	if p.broken != nil {
		return Fatal(p.broken)
	}
	if r.KeyNull || p.keys.null.any && p.keys.null.is(&r.Key) {
		return p.env.skipNullKey(p.node)
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
	if len(p.timers) == 0 {
		return nil
	}
	return p.fireDue(millis)
}

func (p *process[K, V, T, L, W]) fireDue(millis int64) error {
	for _, t := range p.timers {
		reached, err := t.Reach(millis)
		if err != nil {
			return Fatal(err)
		}
		if reached == state.NoTime {
			continue
		}
		if _, err := p.fire(t, weir.EventTime, reached); err != nil {
			return err
		}
	}
	return nil
}

// fire fires the timers that are due, and reports whether there were any.
func (p *process[K, V, T, L, W]) fire(t *state.Timers, kind weir.TimerKind, limit int64) (fired bool, err error) {
	for {
		encoded, name, at, ok, err := t.Due(kind, limit)
		if err != nil || !ok {
			return fired, Fatal(err)
		}
		fired = true
		p.keys.buffer = append(p.keys.buffer[:0], encoded...)
		key, err := p.codec.Decode(&p.keys.context, p.keys.buffer)
		if err != nil {
			return fired, Fatal(fmt.Errorf("store %q: decode key %s: %w", t.Name(), state.Quote(p.keys.buffer), err))
		}
		if p.at = p.latest; kind == weir.EventTime {
			p.at = at
		}
		p.env.Enter(p.node)
		if err := p.place(p.keys.buffer); err != nil {
			return fired, err
		}
		p.context.open, p.context.failed, p.context.least = true, nil, p.at
		err = p.processor.OnTimer(p.env.Context, weir.Timer[K]{Key: key, Kind: kind, Name: name, Millis: at})
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
		reached, err := t.Reach(state.NoTime)
		if err != nil {
			return err
		}
		if reached == state.NoTime || millis <= reached {
			continue
		}
		fired, err := p.fire(t, weir.EventTime, millis)
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
		earliest, err := t.Earliest(weir.EventTime, reached)
		if err != nil {
			return NoWatermark, Fatal(err)
		}
		reached = min(reached, earliest)
	}
	if h, ok := p.processor.(weir.Holder); ok {
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
		next = min(next, t.Next(weir.ProcessingTime))
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
		if _, err := p.fire(t, weir.ProcessingTime, now); err != nil {
			return err
		}
	}
	return nil
}
