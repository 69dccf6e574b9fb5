package window

import (
	"fmt"
	"reflect"

	"github.com/weirstreams/weir/internal/ability"
)

// Named is implemented by aggregators to keep their accumulators and items apart from those of others. The name is
// stored with the windows, and windows that were stored with another are refused. It does not depend on the names of
// types. An aggregator without a name is taken for a Custom one.
type Named interface{ AccumulatorName() string }

func kindOf[N any]() string { return reflect.TypeFor[N]().Kind().String() }

func (count[V]) AccumulatorName() string         { return "count" }
func (*sum[V, N]) AccumulatorName() string       { return "sum " + kindOf[N]() }
func (*mean[V, N]) AccumulatorName() string      { return "mean" }
func (*deviation[V, N]) AccumulatorName() string { return "deviation" }
func (e *extreme[V, T]) AccumulatorName() string { return e.name + " " + kindOf[T]() + ", layout 2" }
func (p *pick[V, T]) AccumulatorName() string    { return p.name }
func (*collect[V, T]) AccumulatorName() string   { return "collect" }
func (*distinct[V, T]) AccumulatorName() string  { return "distinct" }
func (t *top[V, T]) AccumulatorName() string     { return fmt.Sprint("top ", t.n) }
func (*reduce[V, A]) AccumulatorName() string    { return "reduce" }
func (c *combined[V, A1, R1, A2, R2, R]) AccumulatorName() string {
	return "(" + ability.Name(c.a) + ", " + ability.Name(c.b) + ")"
}
