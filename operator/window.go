package operator

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/windowing"
	"github.com/weirstreams/weir/window"
)

// maxMillis is the last millisecond of the year 9999. Later times are a broken clock's, and arithmetic on them overflows.
const maxMillis = 253402300799999

// startBuckets is in how many parts the size of a window, or the gap of sessions, is divided to count windows by their start.
const startBuckets = 16

// NewWindow opens the windows' store in the task of env and returns the operator that aggregates records by key and
// window. Results carry the key, the start of the window as their time, and no headers. Records with a null key are
// skipped and counted.
func NewWindow[K, V, A, R any](
	env *Env, node int, d window.Definition, aggregator window.Aggregator[V, A, R], emission Emission[K, V, R],
	key codec.Codec[K], next Receiver[K, window.Result[R]],
) (Receiver[K, V], error) {
	s := d.Settings()
	w := &windows[K, V, A, R]{
		env: env, node: node, aggregator: aggregator, emission: emission,
		merger: ability.Of[window.Merger[A]](aggregator, ability.Parts.Merges), collector: ability.Of[window.Collector[V, A, R]](aggregator, ability.Parts.Collects),
		size: s.Size, step: s.Step, grace: s.Grace, skew: s.Skew,
		horizon: math.MaxInt64, untilItem: noItem, byPartition: s.ByPartition, isSliding: s.Kind == windowing.Sliding, onLate: s.OnLate,
		key: key, keys: newKeyEncoder(key, d.StoreName()), next: next,
		emitsOnChange: emission.Current || emission.isEarly(),
	}
	if w.skew > 0 && env.Now != nil && !s.Kind.ByCount() {
		w.horizon = math.MinInt64
	}
	_, w.takesNull = aggregator.(window.TakesNull)
	w.null = typeNullRule[V]()
	if s.Kind.NeedsMerge() {
		w.orderer = ability.Of[window.Orderer[A, V]](aggregator, ability.Parts.Orders)
	}
	options := state.WindowedOptions[A]{Definition: meaning(d, aggregator), Items: w.collector != nil, Ahead: w.size}
	var r Receiver[K, V]
	var hold func(reached int64) (int64, error)
	switch s.Kind {
	case windowing.Tumbling, windowing.Hopping:
		if w.byPartition {
			options.End = func(o *state.Window[A]) int64 { return o.Start + w.size }
		}
		options.MarksItems = true
		k := &aligned[K, V, A, R]{windows: w}
		r, hold, w.closer = k, k.hold, k
		w.shortest = w.size + w.grace
		options.StartBucket = w.step
	case windowing.Sliding:
		if w.byPartition {
			options.End = w.slotEnd
		}
		k := &sliding[K, V, A, R]{windows: w}
		r, hold, w.closer = k, k.hold, k
		w.shortest = w.grace
		options.StartBucket = w.size/startBuckets + 1
	case windowing.Session:
		w.tolerance = w.size
		if w.byPartition {
			options.End = func(o *state.Window[A]) int64 { return o.Latest + 2*w.size + 1 } // see session.isClosed
		}
		k := &session[K, V, A, R]{windows: w}
		r, hold, w.closer = k, k.hold, k
		w.shortest = 2*w.size + w.grace
		options.StartBucket = w.size/startBuckets + 1
	default:
		count, step := s.Records, s.RecordStep
		k := &counted[K, V, A, R]{windows: w, count: count, every: step}
		r, hold = k, k.hold
	}
	if !env.KeepsTime {
		options.StartBucket = 0
	}
	var err error
	w.store, err = openStore(env, d.StoreName(), showKeys(key, d.StoreName()), func(space state.Space) *state.Windowed[A] {
		return state.OpenWindowed(space, aggregator.Codec(), options)
	})
	if err != nil {
		return nil, err
	}
	if w.closer != nil {
		env.OnIdle(node, w.advance)
		env.OnPace(node, w.movePace)
		if !w.byPartition && !emission.Current {
			env.OnSilentKeys(node, w.silent)
		}
	}
	env.OnHold(node, hold)
	env.OnRewind = append(env.OnRewind, func() { w.idleFrom, w.pace = 0, windowPace{} })
	if emission.Suppress != nil {
		w.suppress(*emission.Suppress)
	}
	return r, nil
}

// meaning describes the rows of a store of windows, beyond its name. Grace is not part of it: it may
// change. The number is that of the layout of rows: it is 2 for the index by end of sessions, with the time at which they close: two gaps
// after their last record.
func meaning(d window.Definition, aggregator any) string {
	layout, closing := 1, "key"
	switch s := d.Settings(); {
	case s.Kind.ByCount():
		closing = "count"
	case s.ByPartition:
		closing = "partition"
		if s.Kind == windowing.Session {
			layout = 2
		}
	}
	return strconv.Itoa(layout) + ", closed by " + closing + ", " + ability.Name(aggregator)
}

// windows has the shared parts of the operators for all kinds of windows. They hold it in a field and do not embed it: for each kind, and
// for each type of a stream, the compiler would make two more functions of each of its methods.
type windows[K, V, A, R any] struct {
	env        *Env
	node       int
	aggregator window.Aggregator[V, A, R]
	merger     window.Merger[A]          // nil if it cannot merge
	collector  window.Collector[V, A, R] // nil if it keeps no items
	orderer    window.Orderer[A, V]      // nil if it needs no numbers
	takesNull  bool                      // whether the aggregator is given null values
	null       nullRule[V]
	emission   Emission[K, V, R] //
	// emitsOnChange says that a window may have results before it closes.
	emitsOnChange bool
	size          int64 // milliseconds; the gap of sessions
	step          int64 // milliseconds
	grace         int64 // milliseconds
	skew          int64 // milliseconds
	tolerance     int64 // milliseconds that a record may be late beyond grace: the gap of sessions
	horizon       int64 // records up to here are known not to be too far ahead of the clock
	isSliding     bool
	byPartition   bool                          // whether windows close by the watermark of the partition
	onLate        func(window.Late) bool        // may be nil
	store         *state.Windowed[A]            //
	key           codec.Codec[K]                //
	keys          keyEncoder[K]                 //
	next          Receiver[K, window.Result[R]] //
	out           weir.Record[K, window.Result[R]]
	pending       suppressed[K, R]
	deferred      []deferred[R] // scratch: of the record that is being processed
	// firstItem and untilItem bound the items of a window that a trigger has closed and that goes on.
	firstItem, untilItem int64
	number               int64 // of the record in the order of processing, for the orderer
	closings             int64 // windows that were closed
	idleFrom             int64 // no window closes by idleness before this time
	closer               closer[K, A]
	shortest             int64 // the least time from the start under which a window is stored to its close
	pace                 windowPace
	item                 []byte
	encoded              []byte // scratch: the key that is decoded
	// Here, not on the stack: arguments of aggregators escape.
	first A
	done  state.Window[A]
}

// place puts the store on the key of a record. It returns nil if the record has none.
func (w *windows[K, V, A, R]) place(r *weir.Record[K, V]) (*state.Windows[A], error) {
	w.env.Enter(w.node)
	if !w.pace.loaded {
		if err := w.loadPace(); err != nil {
			return nil, err
		}
	}
	key, ok, err := w.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, w.env.skipNullKey(w.node)
	}
	if len(w.deferred) > 0 {
		w.forgetDeferred()
	}
	if w.pending.active {
		w.pending.reach(r.Millis)
	}
	k, err := w.store.Place(key)
	return k, Fatal(err)
}

// reached returns the time that counts for a key, before the record that is being processed.
func (w *windows[K, V, A, R]) reached(k *state.Windows[A]) (int64, error) {
	watermark, err := w.store.Watermark()
	return max(w.pace.bound(k.Latest), watermark), Fatal(err)
}

// reject reports whether a record's time is out of range, and counts it then.
func (w *windows[K, V, A, R]) reject(r *weir.Record[K, V], start, end int64) (bool, error) {
	switch at := r.Millis; {
	case at < 0:
		return true, cmp.Or(w.late(r, window.BeforeEpoch, start, end, 0), w.drop(r, weir.DropLate))
	case at > maxMillis || at > w.horizon && w.ahead(at):
		return true, cmp.Or(w.late(r, window.InFuture, start, end, 0), w.drop(r, weir.DropFuture))
	}
	return false, nil
}

// drop is called for a record that no window takes, after late.
func (w *windows[K, V, A, R]) drop(r *weir.Record[K, V], reason weir.DropReason) error {
	return w.env.drop(w.node, reason, "", r.Origin)
}

// ahead looks at the clock and reports whether a time is too far ahead of it. It is asked seldom: a time that was not too far
// ahead once never is.
func (w *windows[K, V, A, R]) ahead(at int64) bool {
	w.horizon = max(w.horizon, w.env.Now().UnixMilli()+w.skew)
	return at > w.horizon
}

// counts reports whether the aggregator is to see a record.
func (w *windows[K, V, A, R]) counts(r *weir.Record[K, V]) bool {
	return w.takesNull || !r.ValueNull && !w.null.is(&r.Value)
}

// update adds a record to the window that begins at start, made if there is none. latest is the greatest time that was
// in it before.
func (w *windows[K, V, A, R]) update(k *state.Windows[A], r *weir.Record[K, V], start int64) (open *state.Window[A], latest int64) {
	// The aggregator comes first: if it panics, there must be neither a window without records nor a later time.
	open = k.Find(start)
	if open != nil {
		latest = open.Latest
		if w.counts(r) {
			w.add(&open.Acc, r)
		}
		w.store.Touch(open, r.Millis)
	} else {
		w.first = w.aggregator.Init()
		if w.counts(r) {
			w.add(&w.first, r)
		}
		open, _ = w.store.Update(start, r.Millis)
		open.Acc = w.first
		latest = state.NoTime
		open.Mark = w.firstItem
	}
	open.Records++
	if w.orderer != nil {
		open.Mark = w.number<<1 | open.Mark&markClosed
	}
	if w.byPartition {
		w.store.Index(open)
	}
	return open, latest
}

// add gives the value of a record to the aggregator.
func (w *windows[K, V, A, R]) add(acc *A, r *weir.Record[K, V]) {
	if w.orderer != nil {
		w.orderer.AddInOrder(acc, r.Value, r.Millis, w.number)
	} else {
		w.aggregator.Add(acc, r.Value, r.Millis)
	}
}

// enumerate gives the record that is being processed a number, if the aggregator needs one. Marks of sliding windows and
// sessions are twice the number of the last record in them, plus markClosed.
func (w *windows[K, V, A, R]) enumerate(k *state.Windows[A]) {
	if w.orderer == nil {
		return
	}
	w.number = 0
	for i := range k.Open {
		w.number = max(w.number, k.Open[i].Mark>>1)
	}
	w.number++
}

// markClosed in a mark says that a sliding window is closed, while its records are still in others.
const markClosed = 1

// collect keeps a value for the windows of the current key.
func (w *windows[K, V, A, R]) collect(r *weir.Record[K, V], at int64) error {
	if w.collector == nil || !w.counts(r) {
		return nil
	}
	var err error
	if w.item, err = w.collector.AppendItem(w.item[:0], r.Value); err != nil {
		return &weir.CodecError{Part: codec.State.String(), Encoding: true, Err: err}
	}
	w.store.AddItem(at, w.item)
	return nil
}

// late counts a record that a window does not take, and tells the program. reached is the time that closed the window.
func (w *windows[K, V, A, R]) late(r *weir.Record[K, V], reason window.LateReason, start, end, reached int64) error {
	if w.onLate == nil && w.env.OnLate != nil {
		w.env.Late++
		w.env.OnLate(lateRecord(w.node, w.store.Name(), w.why(reason, r.Millis, start, end, reached), r))
		return nil
	}
	w.env.Late++
	if w.onLate != nil {
		late := window.Late{
			Reason: reason, Key: r.Key, Value: r.Value, Millis: r.Millis, StartMillis: start, EndMillis: end,
			Store: w.store.Name(), Topic: r.Origin.Topic, Partition: r.Origin.Partition, Offset: r.Origin.Offset,
		}
		if reason == window.Closed {
			late.By = millis(reached - w.tolerance - w.grace - r.Millis)
		}
		if !w.onLate(late) {
			return nil
		}
	}
	if w.env.Late == 1 || w.onLate != nil {
		w.env.Logger.Warn("late record not added to its window; unless OnLate asks for it, further ones are only counted",
			"store", w.store.Name(), "reason", reason, "time", r.Time(), "window_start_ms", start, "window_end_ms", end,
			"stream_time_ms", reached, "topic", r.Origin.Topic, "partition", r.Origin.Partition, "offset", r.Origin.Offset)
	}
	return nil
}

// why says in words why a window does not take a record.
func (w *windows[K, V, A, R]) why(reason window.LateReason, at, start, end, reached int64) string {
	switch {
	case reason == window.BeforeEpoch:
		return "its time is before 1970"
	case at > maxMillis:
		return "its time is after the year 9999"
	case reason == window.InFuture:
		return fmt.Sprintf("its time is more than MaxFutureSkew (%v) ahead of the clock (%s)", millis(w.skew), w.env.Now().UTC().Format(time.RFC3339Nano))
	default:
		return fmt.Sprintf("its window, from %d to %d ms, is closed: stream time has reached %d ms, and the grace is %v", start, end, reached, millis(w.grace))
	}
}

// decodeKey returns the key that was encoded for the store.
func (w *windows[K, V, A, R]) decodeKey(encoded string) (K, error) {
	w.encoded = append(w.encoded[:0], encoded...)
	key, err := w.key.Decode(&w.keys.context, w.encoded)
	if err != nil {
		return key, Fatal(fmt.Errorf("store %q: decode key %s: %w", w.store.Name(), state.Quote([]byte(encoded)), err))
	}
	return key, nil
}
