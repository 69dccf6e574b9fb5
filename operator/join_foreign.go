package operator

import (
	"bytes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// ForeignKeyJoin is the left side of a foreign-key join of tables, as in KIP-213. It subscribes the key of each row to the
// foreign key of the row, at the task that has the right row, and keeps the right row that it was answered: the row of the
// result is made of both when it is asked for.
//
// A change of a row that keeps its foreign key needs no answer. When the foreign key changes, the row of the result stays as
// it is until the answer is there. Changes and Answers return the receivers of the changes of the left table and of the answers.
type ForeignKeyJoin[K, V, F, R, W any] struct {
	Env  *Env
	Node int
	View *ForeignKeyView[K, V, R, W]
	// ForeignKey returns the key of the right row, or false if a row has none.
	ForeignKey func(V) (F, bool)
	// Foreign encodes foreign keys as the right table does.
	Foreign       codec.Codec[F]
	Subscriptions *ForeignKeyTopic
	Next          Receiver[K, Change[W]]

	foreign  keyEncoder[F]
	row      codec.Context
	match    foreignMatch[V, R]
	left     V
	old, new W
	out      weir.Record[K, Change[W]]
}

// ForeignKeyView finds rows of the result of a foreign-key join.
type ForeignKeyView[K, V, R, W any] struct {
	// Left is the left table.
	Left View[K, V]
	// Unmatched says whether there is a row of the left side alone.
	Unmatched bool
	// Merge must give the same result for the same rows. right is nil for a left row alone.
	Merge func(left *V, right *R) W

	matches *state.Cell[foreignMatch[V, R]]
	keys    keyEncoder[K]
	rows    codec.Codec[R]
	null    nullRule[W]

	left  V
	match foreignMatch[V, R]
}

// foreignMatch is the known right side of a left row with a foreign key.
type foreignMatch[V, R any] struct {
	// key is the foreign key. It is not changed in place.
	key []byte
	// version grows with each change of the foreign key.
	version uint64
	// pending is set until there is an answer for key.
	pending bool
	// matched says that there is a right row: row. If pending is set, it is that of the foreign key before.
	matched bool
	row     R
	// shown says that the result has a row although pending is set: that of left, which was there before.
	shown bool
	left  V
}

// Open opens the store of the view in the task of env.
func (v *ForeignKeyView[K, V, R, W]) Open(
	env *Env, name string, key codec.Codec[K], left codec.Codec[V], right codec.Codec[R],
) (err error) {
	v.matches, err = openStore(env, name, showKeys(key, name), state.NewCell[foreignMatch[V, R]](name).WithCodec(foreignMatchCodec[V, R]{left, right}).Open)
	v.keys = newKeyEncoder(key, name)
	v.rows = right
	v.null = typeNullRule[W]()
	return err
}

// place finds the match of a left row, or nil if it has none. It is in v until the next call.
func (v *ForeignKeyView[K, V, R, W]) place(key K) (*foreignMatch[V, R], bool, error) {
	encoded, ok, err := v.keys.encode(key, false)
	if err != nil || !ok {
		return nil, false, err
	}
	if err := v.matches.Place(encoded); err != nil {
		return nil, false, Fatal(err)
	}
	if v.match, ok = v.matches.Get(); !ok {
		return nil, true, nil
	}
	return &v.match, true, nil
}

// Row implements [View].
func (v *ForeignKeyView[K, V, R, W]) Row(key K, _ int64) (row W, ok bool, err error) {
	match, ok, err := v.place(key)
	if err != nil || !ok {
		return row, false, err
	}
	if v.left, ok, err = v.Left.Row(key, Latest); err != nil || !ok {
		return row, false, err
	}
	row, ok = v.result(match, &v.left)
	return row, ok, nil
}

// result returns the row of the result. match and left are nil if there is none.
func (v *ForeignKeyView[K, V, R, W]) result(match *foreignMatch[V, R], left *V) (row W, ok bool) {
	var right *R
	if match != nil {
		if match.pending {
			if !match.shown {
				return row, false
			}
			left = &match.left
		}
		if match.matched {
			right = &match.row
		}
	}
	if left == nil || right == nil && !v.Unmatched {
		return row, false
	}
	row = v.Merge(left, right)
	return row, !v.null.is(&row)
}

// Changes returns the receiver of the changes of the left table. It is called once.
func (j *ForeignKeyJoin[K, V, F, R, W]) Changes() Receiver[K, Change[V]] {
	j.foreign = newKeyEncoder(j.Foreign, j.Subscriptions.name)
	return (*foreignKeyChanges[K, V, F, R, W])(j)
}

// Answers returns the receiver of the answers, by the key of the left row. It is called once.
func (j *ForeignKeyJoin[K, V, F, R, W]) Answers(topic string) Receiver[K, ForeignKeyAnswer] {
	j.row = codec.Context{Topic: topic, Part: codec.Value}
	return (*foreignKeyAnswers[K, V, F, R, W])(j)
}

type (
	foreignKeyChanges[K, V, F, R, W any] ForeignKeyJoin[K, V, F, R, W]
	foreignKeyAnswers[K, V, F, R, W any] ForeignKeyJoin[K, V, F, R, W]
)

// Receive implements [Receiver].
func (c *foreignKeyChanges[K, V, F, R, W]) Receive(r *weir.Record[K, Change[V]]) error {
	j := (*ForeignKeyJoin[K, V, F, R, W])(c)
	j.Env.Enter(j.Node)
	match, ok, err := j.View.place(r.Key)
	if err != nil || !ok {
		return err
	}
	left := r.Value.New
	var foreign []byte
	has := false
	if left != nil {
		var key F
		if key, has = j.ForeignKey(*left); has {
			if foreign, has, err = j.foreign.encode(key, false); err != nil {
				return err
			}
		}
	}
	if has && match != nil && bytes.Equal(match.key, foreign) {
		if match.pending {
			return nil
		}
		return j.emit(&r.Key, r.Millis, r.Origin, match, r.Value.Old, match, left)
	}
	j.derive(&r.Key, r.Millis, r.Origin)
	var was bool
	if j.old, was = j.View.result(match, r.Value.Old); was {
		j.out.Value.Old = &j.old
	}
	// The offset makes the version grow also when the row was deleted meanwhile.
	next := foreignMatch[V, R]{pending: true, shown: was, version: uint64(j.Env.Origin.Offset) + 1}
	if match != nil {
		next.version = max(next.version, match.version+1)
		if was {
			next.matched, next.row, next.left = match.matched, match.row, match.left
		}
	}
	is := false
	if !has {
		if j.new, is = j.View.result(nil, left); is {
			j.out.Value.New = &j.new
		}
	} else if was && (match == nil || !match.pending) {
		next.left = *r.Value.Old
	}
	if match != nil {
		if err := j.subscribe(match.key, r.Millis, next.version, false); err != nil {
			return err
		}
	}
	if has {
		next.key = bytes.Clone(foreign)
		if err := j.subscribe(next.key, r.Millis, next.version, true); err != nil {
			return err
		}
		j.View.matches.Set(next)
		return nil // the answer is what changes the result
	}
	if match != nil {
		j.View.matches.Delete()
	}
	if !was && !is {
		return nil
	}
	return j.Next.Receive(&j.out)
}

// Receive implements [Receiver].
//
// Each subscription is answered with the current row of the right side, so that both sides agree in the end, in spite of
// messages of a process that has lost its tasks (at least once): a subscription that was taken away is made again, and one that
// should not be there is taken away.
func (a *foreignKeyAnswers[K, V, F, R, W]) Receive(r *weir.Record[K, ForeignKeyAnswer]) error {
	j := (*ForeignKeyJoin[K, V, F, R, W])(a)
	j.Env.Enter(j.Node)
	match, ok, err := j.View.place(r.Key)
	if err != nil || !ok {
		return err
	}
	answer := &r.Value
	switch {
	case match == nil || !bytes.Equal(match.key, answer.ForeignKey):
		if !answer.Subscribed {
			return nil
		}
		return j.subscribe(answer.ForeignKey, r.Millis, answer.Version+1, false)
	case !answer.Subscribed:
		if answer.Version < match.version {
			return nil // the subscription is on its way
		}
		match.version = answer.Version + 1
		if err := j.subscribe(match.key, r.Millis, match.version, true); err != nil {
			return err
		}
		j.View.matches.Set(*match)
		return nil
	}
	next := foreignMatch[V, R]{key: match.key, version: max(match.version, answer.Version), matched: answer.Row != nil}
	if next.matched {
		if next.row, err = j.View.rows.Decode(&j.row, answer.Row); err != nil {
			return &weir.CodecError{Part: codec.Value.String(), Err: err}
		}
	}
	if j.left, ok, err = j.View.Left.Row(r.Key, Latest); err != nil || !ok {
		return err
	}
	j.match = next
	return j.emit(&r.Key, r.Millis, r.Origin, match, &j.left, &j.match, &j.left)
}

// subscribe subscribes the current key to a foreign key, or takes the subscription away.
func (j *ForeignKeyJoin[K, V, F, R, W]) subscribe(foreign []byte, millis int64, version uint64, subscribed bool) error {
	err := j.Subscriptions.subscribe(foreign, millis, &ForeignKeySubscription{
		Key: j.View.keys.buffer, Version: version, Partition: j.Env.Origin.Partition, Subscribed: subscribed,
	})
	j.Env.Enter(j.Node)
	return err
}

func (j *ForeignKeyJoin[K, V, F, R, W]) derive(key *K, millis int64, origin *weir.Origin) {
	j.out = weir.Record[K, Change[W]]{Key: *key, Millis: millis, Origin: origin}
}

// emit emits the change from one match and left row to the next, and keeps the next match if it is another.
func (j *ForeignKeyJoin[K, V, F, R, W]) emit(
	key *K, millis int64, origin *weir.Origin, match *foreignMatch[V, R], old *V, next *foreignMatch[V, R], left *V,
) error {
	j.derive(key, millis, origin)
	var was, is bool
	if j.old, was = j.View.result(match, old); was {
		j.out.Value.Old = &j.old
	}
	if j.new, is = j.View.result(next, left); is {
		j.out.Value.New = &j.new
	}
	if next != match {
		j.View.matches.Set(*next)
	}
	if !was && !is {
		return nil
	}
	return j.Next.Receive(&j.out)
}
