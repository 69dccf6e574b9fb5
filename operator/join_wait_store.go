package operator

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// waitStore keeps the records of a join that wait, for a time by the clock of the machine, for the other side.
type waitStore[K, V any] struct {
	env    *Env
	keys   keyEncoder[K]
	key    codec.Codec[K]
	null   nullRule[V]
	wait   int64
	most   int
	policy join.Overflow
	full   string // the error of a record that does not fit, with its key
	// waiting are the records that wait, by key and time of arrival.
	waiting *state.Timestamped[waiter[V]]
	// times are the least event times of the records of each key that wait.
	times    *state.Timestamped[struct{}]
	storeKey []byte // scratch: what kind of key, and the key
	timesKey []byte // scratch
	overflow overflowWarning
}

// The first byte of keys in the stores.
const (
	nullKey byte = iota
	someKey
)

// newWaitStore opens the stores of records that wait. full is the error of a record that does not fit, with a verb for its key.
func newWaitStore[K, V any](env *Env, wait *joining.Wait[join.Overflow], full string, key codec.Codec[K], value codec.Codec[V]) (s waitStore[K, V], err error) {
	s = waitStore[K, V]{
		env: env, keys: newKeyEncoder(key, wait.Store), key: key, null: newNullRule(value), wait: wait.Millis, most: wait.Max, policy: wait.Overflow, full: full,
	}
	options := state.TimestampedOptions{Duplicates: true, Index: true, Cause: true, Ahead: max(s.wait/4, 10_000)}
	show := showKeys(key, wait.Store)
	showKind := func(encoded []byte) string {
		if len(encoded) == 0 || encoded[0] == nullKey {
			return "null"
		}
		return show(encoded[1:])
	}
	s.waiting, err = openStore(env, wait.Store, showKind, func(space state.Space) *state.Timestamped[waiter[V]] {
		return state.OpenTimestamped(space, codec.Codec[waiter[V]](waiterCodec[V]{heldCodec[V]{value}}), options)
	})
	if err != nil {
		return s, err
	}
	s.times, err = openStore(env, wait.Times, showKind, func(space state.Space) *state.Timestamped[struct{}] {
		return state.OpenTimestamped(space, codec.Codec[struct{}](nothing{}), state.TimestampedOptions{Index: true, Ahead: s.wait})
	})
	return s, err
}

// put keeps a record at the end of those of its key, unless as many wait as may.
func (s *waitStore[K, V]) put(r *weir.Record[K, V]) error {
	key, err := s.encode(r)
	if err != nil {
		return err
	}
	if err := s.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	last, err := s.waiting.Before(math.MaxInt64)
	if err != nil {
		return Fatal(err)
	}
	w := waiter[V]{Held: held(r, &s.null, nil), Number: 1, Millis: r.Millis, heldOrigin: newHeldOrigin(&s.env.Origin)}
	w.Headers = copyHeaders(r.Headers)
	now := s.now()
	if last != nil {
		if last.Value.Number >= s.most {
			return s.overflown(r)
		}
		w.Number = last.Value.Number + 1
		now = max(now, last.At) // the clock may have been set back: the order is that of arrival
	}
	if _, err := s.waiting.Put(now, &w); err != nil {
		return Fatal(err)
	}
	return s.lower(r.Millis)
}

// overflown does what the policy says with a record that does not fit.
func (s *waitStore[K, V]) overflown(r *weir.Record[K, V]) error {
	if s.policy == join.FailNewest {
		return fmt.Errorf("store %q: %d "+s.full, s.waiting.Name(), s.most, r.Key)
	}
	if n := s.overflow.count(s.env.now()); n > 0 {
		s.env.Logger.Warn("records dropped: as many of their key as may wait for the other side of a join already do",
			"store", s.waiting.Name(), "key", r.Key, "most", s.most, "dropped", n,
			"topic", s.env.Origin.Topic, "partition", s.env.Origin.Partition, "offset", s.env.Origin.Offset)
	}
	return nil
}

// overflowWarning counts dropped records, for a warning a minute.
type overflowWarning struct {
	dropped int64
	warned  time.Time
}

// count counts one, and returns how many there were since the last warning if it is time for one, and else 0.
func (o *overflowWarning) count(now time.Time) int64 {
	o.dropped++
	if !o.warned.IsZero() && now.Sub(o.warned) < time.Minute {
		return 0
	}
	n := o.dropped
	o.dropped, o.warned = 0, now
	return n
}

func (s *waitStore[K, V]) now() int64 { return s.env.now().UnixMilli() }

// nextDue returns the time of the clock at which the first wait ends.
func (s *waitStore[K, V]) nextDue() int64 {
	next := s.waiting.NextDue()
	if next > math.MaxInt64-s.wait {
		return math.MaxInt64
	}
	return next + s.wait
}

// least returns the least event time of the records that wait if it is before a time, and else that time.
func (s *waitStore[K, V]) least(reached int64) (int64, error) {
	if _, ok, err := s.times.Due(reached); err != nil || !ok {
		return reached, Fatal(err)
	}
	first, _ := s.times.First()
	return min(reached, first), nil
}

// encode returns the key of a record in the stores, valid until the next call.
func (s *waitStore[K, V]) encode(r *weir.Record[K, V]) ([]byte, error) {
	encoded, ok, err := s.keys.encode(r.Key, r.KeyNull)
	kind := someKey
	if !ok {
		kind = nullKey
	}
	s.storeKey = append(append(s.storeKey[:0], kind), encoded...)
	return s.storeKey, err
}

// decode is the opposite of encode.
func (s *waitStore[K, V]) decode(key []byte) (k K, null bool, err error) {
	if len(key) == 0 || key[0] == nullKey {
		return k, true, nil
	}
	if k, err = s.key.Decode(&s.keys.context, slices.Clone(key[1:])); err != nil {
		return k, false, Fatal(fmt.Errorf("store %q: decode key %s: %w", s.waiting.Name(), state.Quote(key[1:]), err))
	}
	return k, false, nil
}

// count returns how many records of the current key wait.
func (s *waitStore[K, V]) count() (int, error) {
	last, err := s.waiting.Before(math.MaxInt64)
	if err != nil || last == nil {
		return 0, err
	}
	return last.Value.Number, nil
}

// lower makes a time the least of the current key if it is.
func (s *waitStore[K, V]) lower(millis int64) error {
	if err := s.times.Place(s.storeKey); err != nil {
		return Fatal(err)
	}
	if first, ok := s.times.First(); ok && first <= millis {
		return nil
	}
	return s.setLeast(millis)
}

// setLeast sets the least time of the key that times is on.
func (s *waitStore[K, V]) setLeast(millis int64) error {
	if err := s.times.Remove(func(int) bool { return true }); err != nil {
		return Fatal(err)
	}
	_, err := s.times.Put(millis, &struct{}{})
	return Fatal(err)
}

// remove removes records of a key that are chosen by their positions, and counts the rest.
func (s *waitStore[K, V]) remove(key []byte, chosen func(i int) bool) error {
	s.timesKey = append(s.timesKey[:0], key...)
	if err := s.waiting.Place(s.timesKey); err != nil {
		return Fatal(err)
	}
	if err := s.waiting.Remove(chosen); err != nil {
		return Fatal(err)
	}
	items, err := s.waiting.Between(state.NoTime, math.MaxInt64)
	if err != nil {
		return Fatal(err)
	}
	if err := s.times.Place(s.timesKey); err != nil {
		return Fatal(err)
	}
	if len(items) == 0 {
		return Fatal(s.times.Remove(func(int) bool { return true }))
	}
	if last := &items[len(items)-1]; last.Value.Number != len(items) {
		last.Value.Number = len(items)
		s.waiting.Changed(last)
	}
	least := int64(math.MaxInt64)
	for i := range items {
		least = min(least, items[i].Value.Millis)
	}
	if first, ok := s.times.First(); ok && first == least {
		return nil
	}
	return s.setLeast(least)
}
