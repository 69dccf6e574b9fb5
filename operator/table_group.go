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

// GroupTable gives each change of a table the key of its group. A row that moves to another group is two changes: one that takes it from the
// former group, and then one that adds it to the new one. A row with a null key is in no group.
type GroupTable[K, V, L any] struct {
	env      *Env
	node     int
	f        func(K, V) L
	from, to keyEncoder[L]
	next     Receiver[L, Change[V]]
	out      weir.Record[L, Change[V]]
}

// NewGroupTable returns the operator. The topic is that of the changes, and key its codec of keys.
func NewGroupTable[K, V, L any](env *Env, node int, topic string, key codec.Codec[L], f func(K, V) L, next Receiver[L, Change[V]]) *GroupTable[K, V, L] {
	return &GroupTable[K, V, L]{env: env, node: node, f: f, from: newKeyEncoder(key, topic), to: newKeyEncoder(key, topic), next: next}
}

// Receive implements [Receiver].
func (g *GroupTable[K, V, L]) Receive(r *weir.Record[K, Change[V]]) error {
	g.env.Enter(g.node)
	from, old, hadGroup, err := g.group(&g.from, r.Key, r.Value.Old)
	if err != nil {
		return err
	}
	to, row, hasGroup, err := g.group(&g.to, r.Key, r.Value.New)
	if err != nil {
		return err
	}
	if hadGroup && hasGroup && bytes.Equal(from, to) {
		return g.emit(r, row, r.Value)
	}
	if hadGroup {
		if err := g.emit(r, old, Change[V]{Old: r.Value.Old}); err != nil {
			return err
		}
	}
	if hasGroup {
		return g.emit(r, row, Change[V]{New: r.Value.New})
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

func (g *GroupTable[K, V, L]) emit(r *weir.Record[K, Change[V]], group L, change Change[V]) error {
	g.out.Key, g.out.KeyNull, g.out.Value, g.out.ValueNull = group, false, change, false
	g.out.Millis, g.out.Headers, g.out.Origin = r.Millis, r.Headers, r.Origin
	return g.next.Receive(&g.out)
}

// ChangeCodec returns the codec of changes on their way through a topic: a byte that says which rows follow, the length of the
// old row if there are both, and the rows.
func ChangeCodec[V any](row codec.Codec[V]) codec.Codec[Change[V]] { return changeCodec[V]{row} }

type changeCodec[V any] struct{ row codec.Codec[V] }

const (
	changeOld byte = 1 << iota
	changeNew
)

// Append implements [codec.Codec].
func (c changeCodec[V]) Append(dst []byte, ctx *codec.Context, change Change[V]) (_ []byte, err error) {
	var rows byte
	if change.Old != nil {
		rows |= changeOld
	}
	if change.New != nil {
		rows |= changeNew
	}
	dst = append(dst, rows)
	if change.Old != nil {
		begin := len(dst)
		if dst, err = c.row.Append(dst, ctx, *change.Old); err != nil {
			return dst, err
		}
		if change.New != nil {
			dst = insertLength(dst, begin)
		}
	}
	if change.New != nil {
		return c.row.Append(dst, ctx, *change.New)
	}
	return dst, nil
}

// insertLength puts the length of a row that was appended from begin on in front of it. The row is written once: the length goes behind, and
// changes places with it.
func insertLength(dst []byte, begin int) []byte {
	var length [binary.MaxVarintLen64]byte
	size := len(dst) - begin
	n := binary.PutUvarint(length[:], uint64(size))
	dst = append(dst, length[:n]...)
	copy(dst[begin+n:], dst[begin:begin+size])
	copy(dst[begin:], length[:n])
	return dst
}

var errChange = errors.New("change of a table is cut off")

// Decode implements [codec.Codec].
func (c changeCodec[V]) Decode(ctx *codec.Context, data []byte) (change Change[V], err error) {
	if len(data) == 0 || data[0] == 0 || data[0] > changeOld|changeNew {
		return change, errChange
	}
	rows, data := data[0], data[1:]
	decode := func(data []byte) *V {
		row := new(V)
		if err == nil {
			*row, err = c.row.Decode(ctx, data)
		}
		return row
	}
	if rows == changeOld|changeNew {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return change, errChange
		}
		change.Old, data = decode(data[n:n+int(length)]), data[n+int(length):]
	} else if rows == changeOld {
		change.Old = decode(data)
	}
	if rows&changeNew != 0 {
		change.New = decode(data)
	}
	return change, err
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
	keys       keyEncoder[K]
	aggregator window.Aggregator[V, A, R]
	subtracter window.Subtracter[V, A]
	null       nullRule[R]
}

// NewGroups opens the store of groups in the task of env. The aggregator is a window.Subtracter.
func NewGroups[K, V, A, R any](env *Env, name string, key codec.Codec[K], a window.Aggregator[V, A, R]) (*Groups[K, V, A, R], error) {
	handle := state.NewCell[group[A]](name).WithCodec(groupCodec[A]{a.Codec()})
	cell, err := openStore(env, name, showKeys(key, name), handle.Open)
	if err != nil {
		return nil, err
	}
	return &Groups[K, V, A, R]{
		cell: cell, keys: newKeyEncoder(key, name), aggregator: a, null: typeNullRule[R](),
		subtracter: ability.Of[window.Subtracter[V, A]](a, ability.Parts.Subtracts),
	}, nil
}

// Row implements [View].
func (g *Groups[K, V, A, R]) Row(key K) (row R, ok bool, err error) {
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

// AggregateGroups adds the new rows of changes to their groups, and takes the old ones away. A group goes with its last row. An old
// row that comes to a group without rows is ignored: at least once, changes may come again.
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
func (a *AggregateGroups[K, V, A, R]) Receive(r *weir.Record[K, Change[V]]) error {
	a.Env.Enter(a.Node)
	g := a.Groups
	key, ok, err := g.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return a.Env.skipNullKey(a.Node)
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
	if r.Value.Old != nil && s != nil {
		g.subtracter.Subtract(&a.group.acc, *r.Value.Old)
		a.group.rows--
	}
	if r.Value.New != nil {
		g.aggregator.Add(&a.group.acc, *r.Value.New, r.Millis)
		a.group.rows++
	}
	switch {
	case a.group.rows > 0:
		g.cell.SetTo(&a.group)
		if a.row, ok = g.current(&a.group); ok {
			a.out.Value.New = &a.row
		}
	case s != nil:
		g.cell.Delete()
	}
	if a.out.Value.Old == nil && a.out.Value.New == nil {
		return nil
	}
	return a.Next.Receive(&a.out)
}
