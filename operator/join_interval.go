package operator

import (
	"context"
	"fmt"
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// Interval joins records of two sides with times near each other. It receives the left records; Right receives the
// right ones. Results carry the key and time of the record that was processed, or of the one without a match, and no
// headers.
type Interval[K, V, R, W any] struct {
	env   *Env
	node  int
	keys  keyEncoder[K]
	key   codec.Codec[K]
	left  side[V]
	right side[R]
	// late is how long after its time a record still counts, and grace how long it is kept: longer by the greater bound, so that
	// a record that is not late finds all of its matches.
	late, grace int64
	final       bool // whether records without a match wait
	merge       func(ctx context.Context, left *weir.Record[K, V], right *weir.Record[K, R]) (W, error)
	next        Receiver[K, W]
	time        pacedTime
	released    *released // the errors of records that have waited, or nil if none do
	out         weir.Record[K, W]
	// Here, not on the stack: arguments of functions escape.
	leftRecord  weir.Record[K, V]
	rightRecord weir.Record[K, R]
}

// side has the kept records of one side of a join.
type side[V any] struct {
	store *state.Timestamped[Held[V]]
	// before and after are how far the other side's matches may lie.
	before, after int64
	// unmatched says whether records without a match are emitted.
	unmatched bool
	null      nullRule[V]
	cloned    func(V) V              // copies values that may change while they are kept, or nil
	due       []state.Timed[Held[V]] // scratch
}

// NewInterval opens the stores of an interval join in the task of env and returns the operator. merge is called with nil for
// the missing side of records without a match, which are emitted of the sides that say so. clonedLeft and clonedRight, if not nil, copy values
// that may change while they are kept.
func NewInterval[K, V, R, W any](
	env *Env, node int, d join.Interval, key codec.Codec[K], left codec.Codec[V], right codec.Codec[R],
	unmatchedLeft, unmatchedRight bool, clonedLeft func(V) V, clonedRight func(R) R,
	merge func(ctx context.Context, left *weir.Record[K, V], right *weir.Record[K, R]) (W, error), next Receiver[K, W],
) (*Interval[K, V, R, W], error) {
	s := d.Settings()
	j := &Interval[K, V, R, W]{
		env: env, node: node, keys: newKeyEncoder(key, d.StoreName()), key: key, late: s.Grace, final: s.Final,
		merge: merge, next: next, time: newPacedTime(env, node),
		left:  side[V]{before: s.Before, after: s.After, unmatched: unmatchedLeft, cloned: clonedLeft},
		right: side[R]{before: s.After, after: s.Before, unmatched: unmatchedRight, cloned: clonedRight},
	}
	if j.final && (unmatchedLeft || unmatchedRight) {
		j.released = newReleased(env)
	}
	j.grace = j.late + max(s.Before, s.After)
	if err := j.left.open(env, s.LeftStore, showKeys(key, s.LeftStore), left, j.grace); err != nil {
		return nil, err
	}
	if err := j.right.open(env, s.RightStore, showKeys(key, s.RightStore), right, j.grace); err != nil {
		return nil, err
	}
	env.OnIdle(node, func(millis int64) error {
		env.Enter(node)
		for _, due := range []func(int64) (bool, error){j.left.store.HasDue, j.right.store.HasDue} {
			// Not if there is nothing to do: the input may be silent before old records come.
			if ok, err := due(millis - j.grace - 1); err != nil {
				return Fatal(err)
			} else if ok {
				_, err := j.advance(millis)
				return err
			}
		}
		return nil
	})
	j.time.onPace(env, node, func(millis int64) error {
		_, err := j.advance(millis)
		return err
	})
	for _, hasDue := range j.emitsLater() {
		env.OnHold(node, func(reached int64) (int64, error) {
			return leastWaiting(reached, j.grace, hasDue, j.left.store.Watermark)
		})
	}
	return j, nil
}

// emitsLater returns a function for each side that emits records without a match at the end of their time. It reports whether
// records are due.
func (j *Interval[K, V, R, W]) emitsLater() (hasDue []func(limit int64) (bool, error)) {
	if j.final && j.left.unmatched {
		hasDue = append(hasDue, j.left.store.HasDue)
	}
	if j.final && j.right.unmatched {
		hasDue = append(hasDue, j.right.store.HasDue)
	}
	return hasDue
}

func (s *side[V]) open(env *Env, name string, show func([]byte) string, c codec.Codec[V], grace int64) (err error) {
	s.null = newNullRule(c)
	s.store, err = openStore(env, name, show, func(space state.Space) *state.Timestamped[Held[V]] {
		return state.OpenTimestamped(space, codec.Codec[Held[V]](heldCodec[V]{c}), state.TimestampedOptions{
			Duplicates: true, Index: true, Ahead: grace/4 + 1,
		})
	})
	return err
}

// advance lets event time go on, and drops records that are too old then. It returns the time before which records are late.
func (j *Interval[K, V, R, W]) advance(millis int64) (late int64, err error) {
	reached, err := j.left.store.Watermark()
	if err != nil {
		return 0, Fatal(err)
	}
	if millis <= reached {
		return reached - j.late, nil
	}
	j.left.store.AdvanceTo(millis)
	late, gone := millis-j.late, millis-j.grace-1
	err = expire(j, &j.left, gone, func(key K, at int64, v *Held[V]) (W, error) {
		j.leftRecord = kept(key, at, v)
		return j.merge(j.env.Context, &j.leftRecord, nil)
	})
	if err != nil {
		return late, err
	}
	return late, expire(j, &j.right, gone, func(key K, at int64, v *Held[R]) (W, error) {
		j.rightRecord = kept(key, at, v)
		return j.merge(j.env.Context, nil, &j.rightRecord)
	})
}

// expire drops the records of a side that are not later than limit, and emits those that have had no match, if they were
// to wait for one. The others are emitted all the same if one fails.
func expire[K, V, R, W, T any](j *Interval[K, V, R, W], s *side[T], limit int64, merge func(K, int64, *Held[T]) (W, error)) error {
	for {
		encoded, ok, err := s.store.Due(limit)
		if err != nil {
			return Fatal(err)
		}
		if !ok {
			return nil
		}
		due := s.due[:0]
		s.due = nil // in use
		if j.final && s.unmatched {
			items, err := s.store.Between(state.NoTime, limit)
			if err != nil {
				return Fatal(err)
			}
			due = append(due, items...)
		}
		if err := s.store.RemoveFirst(limit); err != nil {
			return Fatal(err)
		}
		var key K
		if len(due) > 0 {
			if key, err = j.key.Decode(&j.keys.context, []byte(encoded)); err != nil {
				return Fatal(fmt.Errorf("store %q: decode key %s: %w", s.store.Name(), state.Quote([]byte(encoded)), err))
			}
		}
		for i := range due {
			it := &due[i]
			if it.Value.Matched {
				continue
			}
			err := j.released.emit(it.Value.From, func() error {
				return j.emit(key, it.At, func() (W, error) { return merge(key, it.At, &it.Value) })
			})
			if err != nil {
				return err
			}
		}
		clear(due)
		s.due = due[:0]
	}
}

// emit emits the result of merge, with a key and a time.
func (j *Interval[K, V, R, W]) emit(key K, at int64, merge func() (W, error)) (err error) {
	j.env.Enter(j.node)
	j.out = weir.Record[K, W]{Key: key, Millis: at, Origin: &j.env.Origin}
	if j.out.Value, err = merge(); err != nil {
		return err
	}
	return j.next.Receive(&j.out)
}

// Receive implements [Receiver] for left records.
func (j *Interval[K, V, R, W]) Receive(r *weir.Record[K, V]) error {
	return receive(j, &j.left, &j.right, r, &j.leftRecord, func(mine *weir.Record[K, V], other *state.Timed[Held[R]]) (W, error) {
		if other == nil {
			return j.merge(j.env.Context, mine, nil)
		}
		j.rightRecord = kept(mine.Key, other.At, &other.Value)
		return j.merge(j.env.Context, mine, &j.rightRecord)
	})
}

// Right returns the receiver of right records.
func (j *Interval[K, V, R, W]) Right() Receiver[K, R] { return (*intervalRight[K, V, R, W])(j) }

type intervalRight[K, V, R, W any] Interval[K, V, R, W]

// Receive implements [Receiver].
func (r *intervalRight[K, V, R, W]) Receive(record *weir.Record[K, R]) error {
	j := (*Interval[K, V, R, W])(r)
	return receive(j, &j.right, &j.left, record, &j.rightRecord, func(mine *weir.Record[K, R], other *state.Timed[Held[V]]) (W, error) {
		if other == nil {
			return j.merge(j.env.Context, nil, mine)
		}
		j.leftRecord = kept(mine.Key, other.At, &other.Value)
		return j.merge(j.env.Context, &j.leftRecord, mine)
	})
}

// kept returns a kept record, with its kept parts.
func kept[K, V any](key K, at int64, v *Held[V]) weir.Record[K, V] {
	return weir.Record[K, V]{Key: key, Value: v.Value, ValueNull: v.Null, Millis: at}
}

// receive joins a record of a side with the kept records of the other, and keeps it. merge finds it in record, with only the
// parts that a kept record has.
func receive[K, V, R, W, M, O any](
	j *Interval[K, V, R, W], mine *side[M], others *side[O], r *weir.Record[K, M], record *weir.Record[K, M],
	merge func(mine *weir.Record[K, M], other *state.Timed[Held[O]]) (W, error),
) error {
	j.env.Enter(j.node)
	key, ok, err := j.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return j.env.skipNullKey(j.node)
	}
	late, err := j.advance(j.time.reach(r.Millis))
	if err != nil {
		return err
	}
	if err := others.store.Place(key); err != nil {
		return Fatal(err)
	}
	matches, err := others.store.Between(max(r.Millis-mine.before, late+j.late-j.grace), min(r.Millis, math.MaxInt64-mine.after)+mine.after)
	if err != nil {
		return Fatal(err)
	}
	// The record is kept before anything is emitted: if that fails, and the policy is to skip, it counts all the same.
	if r.Millis < late {
		reason := fmt.Sprintf("it is older than the grace of the join allows: records before %d ms are not kept any more", late)
		countLate(j.env, j.node, mine.store.Name(), reason, r)
		if len(matches) == 0 && !mine.unmatched { // else it is of use all the same
			if err := j.env.drop(j.node, weir.DropLate, reason, r.Origin); err != nil {
				return err
			}
		}
	} else {
		if err := mine.store.Place(key); err != nil {
			return Fatal(err)
		}
		keep := held(r, &mine.null, mine.cloned)
		keep.Matched = len(matches) > 0 && j.final
		if j.final && mine.unmatched && !keep.Matched {
			from := newHeldOrigin(&j.env.Origin)
			keep.From = &from
		}
		if _, err := mine.store.Put(r.Millis, &keep); err != nil {
			return Fatal(err)
		}
	}
	if j.final && others.unmatched {
		for i := range matches {
			if it := &matches[i]; !it.Value.Matched {
				it.Value.Matched = true
				others.store.Changed(it)
			}
		}
	}
	*record = weir.Record[K, M]{Key: r.Key, Value: r.Value, ValueNull: r.ValueNull, Millis: r.Millis} // after advance, which uses the place too
	for i := range matches {
		if err := j.emit(r.Key, r.Millis, func() (W, error) { return merge(record, &matches[i]) }); err != nil {
			return err
		}
	}
	if len(matches) == 0 && mine.unmatched && (!j.final || r.Millis < late) {
		if err := j.emit(r.Key, r.Millis, func() (W, error) { return merge(record, nil) }); err != nil {
			return err
		}
	}
	return nil
}
