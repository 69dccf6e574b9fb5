package operator

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// GroupRow is a change of a row in a group, by the key of the group: Row is the row that is in the group now, or nil if the row has left it.
type GroupRow[V any] struct {
	// Key is the encoded key of the row.
	Key []byte
	Row *V
}

// GroupTable sends each change of a table to the group of the row. A row that moves to another group is two messages: one that
// takes it from the former group, and then one that adds it to the new one. A row with a null key is in no group.
type GroupTable[K, V, L any] struct {
	env      *Env
	node     int
	f        func(K, V) L
	rows     keyEncoder[K]
	from, to keyEncoder[L]
	next     Receiver[L, GroupRow[V]]
	out      weir.Record[L, GroupRow[V]]
}

// NewGroupTable returns the operator. The topic is that of the messages, key its codec of keys, and row the codec of the keys of rows.
func NewGroupTable[K, V, L any](
	env *Env, node int, topic string, row codec.Codec[K], key codec.Codec[L], f func(K, V) L, next Receiver[L, GroupRow[V]],
) *GroupTable[K, V, L] {
	return &GroupTable[K, V, L]{
		env: env, node: node, f: f, next: next,
		rows: newKeyEncoder(row, topic), from: newKeyEncoder(key, topic), to: newKeyEncoder(key, topic),
	}
}

// Receive implements [Receiver].
func (g *GroupTable[K, V, L]) Receive(r *weir.Record[K, Change[V]]) error {
	g.env.Enter(g.node)
	key, ok, err := g.rows.encode(r.Key, r.KeyNull)
	if err != nil || !ok {
		return err
	}
	from, old, hadGroup, err := g.group(&g.from, r.Key, r.Value.Old)
	if err != nil {
		return err
	}
	to, row, hasGroup, err := g.group(&g.to, r.Key, r.Value.New)
	if err != nil {
		return err
	}
	if hadGroup && !(hasGroup && bytes.Equal(from, to)) {
		if err := g.emit(r, old, GroupRow[V]{Key: key}); err != nil {
			return err
		}
	}
	if hasGroup {
		return g.emit(r, row, GroupRow[V]{Key: key, Row: r.Value.New})
	}
	return nil
}

// group returns the key of the group of a row, encoded and as it is, or false if it has none.
func (g *GroupTable[K, V, L]) group(encoder *keyEncoder[L], key K, row *V) (encoded []byte, group L, ok bool, err error) {
	if row == nil {
		return nil, group, false, nil
	}
	group = g.f(key, *row)
	encoded, ok, err = encoder.encode(group, false)
	return encoded, group, ok, err
}

func (g *GroupTable[K, V, L]) emit(r *weir.Record[K, Change[V]], group L, row GroupRow[V]) error {
	g.out.Key, g.out.KeyNull, g.out.Value, g.out.ValueNull = group, false, row, false
	g.out.Millis, g.out.Headers, g.out.Origin = r.Millis, r.Headers, r.Origin
	return g.next.Receive(&g.out)
}

// GroupRowCodec returns the codec of messages to groups: a byte that says whether a row follows, the length of the row's key,
// the key, and the row.
func GroupRowCodec[V any](row codec.Codec[V]) codec.Codec[GroupRow[V]] { return groupRowCodec[V]{row} }

type groupRowCodec[V any] struct{ row codec.Codec[V] }

const (
	groupRowGone byte = iota
	groupRowThere
)

// Append implements [codec.Codec].
func (c groupRowCodec[V]) Append(dst []byte, ctx *codec.Context, row GroupRow[V]) ([]byte, error) {
	flag := groupRowGone
	if row.Row != nil {
		flag = groupRowThere
	}
	dst = binary.AppendUvarint(append(dst, flag), uint64(len(row.Key)))
	dst = append(dst, row.Key...)
	if row.Row == nil {
		return dst, nil
	}
	return c.row.Append(dst, ctx, *row.Row)
}

var errGroupRow = errors.New("message to a group of a table is cut off")

// Decode implements [codec.Codec].
func (c groupRowCodec[V]) Decode(ctx *codec.Context, data []byte) (row GroupRow[V], err error) {
	if len(data) == 0 || data[0] > groupRowThere {
		return row, errGroupRow
	}
	flag, data := data[0], data[1:]
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return row, errGroupRow
	}
	row.Key, data = append([]byte{}, data[n:n+int(length)]...), data[n+int(length):]
	if flag == groupRowThere {
		row.Row = new(V)
		*row.Row, err = c.row.Decode(ctx, data)
	} else if len(data) > 0 {
		return row, errGroupRow
	}
	return row, err
}

// member is a row that a group has counted. It is never a null, whatever the codec of rows takes for one.
type member[V any] struct{ row V }

type memberCodec[V any] struct{ row codec.Codec[V] }

// Append implements [codec.Codec].
func (c memberCodec[V]) Append(dst []byte, ctx *codec.Context, of member[V]) ([]byte, error) {
	return c.row.Append(dst, ctx, of.row)
}

// Decode implements [codec.Codec].
func (c memberCodec[V]) Decode(ctx *codec.Context, data []byte) (of member[V], err error) {
	of.row, err = c.row.Decode(ctx, data)
	return of, err
}

// group is the state of one group: the number of its rows, and their accumulator.
type group[A any] struct {
	rows int64
	acc  A
}

// groupCodec writes the number of rows and the accumulator.
type groupCodec[A any] struct{ acc codec.Codec[A] }

// Append implements [codec.Codec].
func (c groupCodec[A]) Append(dst []byte, ctx *codec.Context, g group[A]) ([]byte, error) {
	return c.acc.Append(binary.AppendUvarint(dst, uint64(g.rows)), ctx, g.acc)
}

// Decode implements [codec.Codec].
func (c groupCodec[A]) Decode(ctx *codec.Context, data []byte) (g group[A], err error) {
	rows, n := binary.Uvarint(data)
	if n <= 0 {
		return g, errors.New("state of a group is cut off")
	}
	g.rows = int64(rows)
	g.acc, err = c.acc.Decode(ctx, data[n:])
	return g, err
}

// Groups are the rows of a table of which each is the aggregate of a group.
type Groups[K, V, A, R any] struct {
	cell       *state.Cell[group[A]]
	rows       *state.Map[[]byte, member[V]] // by group and by the encoded key of the row
	keys       keyEncoder[K]
	aggregator window.Aggregator[V, A, R]
	subtracter window.Subtracter[V, A]
	null       nullRule[R]
}

// NewGroups opens the store of groups, and that of the rows that they have counted, in the task of env. The aggregator is a window.Subtracter.
func NewGroups[K, V, A, R any](env *Env, name, rows string, key codec.Codec[K], row codec.Codec[V], a window.Aggregator[V, A, R]) (*Groups[K, V, A, R], error) {
	handle := state.NewCell[group[A]](name).WithCodec(groupCodec[A]{a.Codec()})
	cell, err := openStore(env, name, showKeys(key, name), handle.Open)
	if err != nil {
		return nil, err
	}
	members := state.NewMap[[]byte, member[V]](rows).WithCodecs(codec.Bytes(), memberCodec[V]{row})
	ofGroups, err := openStore(env, rows, showKeys(key, rows), members.Open)
	if err != nil {
		return nil, err
	}
	return &Groups[K, V, A, R]{
		cell: cell, rows: ofGroups, keys: newKeyEncoder(key, name), aggregator: a, null: typeNullRule[R](),
		subtracter: ability.Of[window.Subtracter[V, A]](a, ability.Parts.Subtracts),
	}, nil
}

// Row implements [View].
func (g *Groups[K, V, A, R]) Row(key K, _ int64) (row R, ok bool, err error) {
	encoded, ok, err := g.keys.encode(key, false)
	if err != nil || !ok {
		return row, false, err
	}
	if err := g.cell.Place(encoded); err != nil {
		return row, false, Fatal(err)
	}
	row, ok = g.current(g.cell.Find())
	return row, ok, nil
}

func (g *Groups[K, V, A, R]) current(s *group[A]) (row R, ok bool) {
	if s == nil {
		return row, false
	}
	row = g.aggregator.Result(&s.acc)
	return row, !g.null.is(&row)
}

// AggregateGroups adds rows to their groups, and takes those that have changed or left back. It takes back the row that the group has
// counted, so that messages that come again change nothing. A group goes with its last row.
type AggregateGroups[K, V, A, R any] struct {
	Env    *Env
	Node   int
	Groups *Groups[K, V, A, R]
	Next   Receiver[K, Change[R]]

	// Here, not on the stack: arguments of aggregators escape.
	group    group[A]
	old, row R
	out      weir.Record[K, Change[R]]
}

// Receive implements [Receiver].
func (a *AggregateGroups[K, V, A, R]) Receive(r *weir.Record[K, GroupRow[V]]) error {
	a.Env.Enter(a.Node)
	g := a.Groups
	key, ok, err := g.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return a.Env.skipNullKey(a.Node)
	}
	g.rows.Place(key)
	former, wasThere := g.rows.Get(r.Value.Key)
	if err := g.rows.Err(); err != nil {
		return Fatal(err)
	}
	if !wasThere && r.Value.Row == nil {
		return nil
	}
	if err := g.cell.Place(key); err != nil {
		return Fatal(err)
	}
	derive(&a.out, r)
	a.out.Value = Change[R]{}
	s := g.cell.Find()
	if a.old, ok = g.current(s); ok {
		a.out.Value.Old = &a.old
	}
	if s != nil {
		a.group = *s
	} else {
		a.group = group[A]{acc: g.aggregator.Init()}
	}
	if wasThere {
		g.subtracter.Subtract(&a.group.acc, former.row)
		a.group.rows--
	}
	if r.Value.Row != nil {
		g.aggregator.Add(&a.group.acc, *r.Value.Row, r.Millis)
		a.group.rows++
		g.rows.Set(r.Value.Key, member[V]{*r.Value.Row})
	} else {
		g.rows.Delete(r.Value.Key)
	}
	if err := g.rows.Err(); err != nil {
		return Fatal(err)
	}
	if a.group.rows > 0 {
		g.cell.SetTo(&a.group)
		if a.row, ok = g.current(&a.group); ok {
			a.out.Value.New = &a.row
		}
	} else {
		g.cell.Delete()
	}
	if a.out.Value.Old == nil && a.out.Value.New == nil {
		return nil
	}
	return a.Next.Receive(&a.out)
}
