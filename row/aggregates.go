package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// Aggregates computes several values at once. The result is a row with a column for each, in their order, under the name that
// [Aggregate.As] gave:
//
//	row.Aggregates(row.CountRows().As("n"), row.Col("price").Mean().As("mean"))
//
// Names must differ; without As, the name is that of the method: count, mean.
func Aggregates(parts ...Aggregate) window.Aggregator[Row, []AggregateState, Row] {
	return aggregates(parts)
}

type aggregates []Aggregate

func (a aggregates) Init() []AggregateState { return make([]AggregateState, len(a)) }

func (a aggregates) Add(states *[]AggregateState, r Row, millis int64) {
	for i := range a {
		a[i].Add(&(*states)[i], r, millis)
	}
}

func (a aggregates) AddInOrder(states *[]AggregateState, r Row, millis, number int64) {
	for i := range a {
		a[i].AddInOrder(&(*states)[i], r, millis, number)
	}
}

func (a aggregates) Merge(dst *[]AggregateState, src []AggregateState) {
	for i := range a {
		a[i].Merge(&(*dst)[i], src[i])
	}
}

func (a aggregates) Result(states *[]AggregateState) Row {
	fields := make([]Field, len(a))
	for i := range a {
		fields[i] = Field{a[i].name, a[i].Result(&(*states)[i])}
	}
	return Row{fields: fields}
}

func (a aggregates) Codec() codec.Codec[[]AggregateState] { return aggregatesCodec(len(a)) }

// AccumulatorName implements [window.Named].
func (a aggregates) AccumulatorName() string {
	names := make([]string, len(a))
	for i := range a {
		names[i] = a[i].String()
	}
	return "rows (" + strings.Join(names, ", ") + ")"
}

func (a aggregates) Validate() error {
	if len(a) == 0 {
		return errors.New("row.Aggregates: there are no parts")
	}
	seen := map[string]bool{}
	for i := range a {
		if seen[a[i].name] {
			return fmt.Errorf("row.Aggregates: two columns %q: give one of them another name with As", a[i].name)
		}
		seen[a[i].name] = true
	}
	return nil
}

// aggregatesCodec stores each of so many states after its length.
type aggregatesCodec int

func (n aggregatesCodec) Append(dst []byte, c *codec.Context, states []AggregateState) ([]byte, error) {
	var one []byte
	for i := range states {
		var err error
		if one, err = (aggregateCodec{}).Append(one[:0], c, states[i]); err != nil {
			return dst, err
		}
		dst = append(binary.AppendUvarint(dst, uint64(len(one))), one...)
	}
	return dst, nil
}

func (n aggregatesCodec) Decode(c *codec.Context, data []byte) ([]AggregateState, error) {
	states := make([]AggregateState, n)
	for i := range states {
		length, skip := binary.Uvarint(data)
		if skip <= 0 || length > uint64(len(data)-skip) {
			return nil, errAggregate
		}
		var err error
		if states[i], err = (aggregateCodec{}).Decode(c, data[skip:skip+int(length)]); err != nil {
			return nil, err
		}
		data = data[skip+int(length):]
	}
	return states, nil
}

// WithBounds adds the columns start and end, in milliseconds since the Unix epoch, to the row that [Aggregates] computed.
func WithBounds(r window.Result[Row]) Row {
	return r.Value.With("start", r.StartMillis).With("end", r.EndMillis)
}
