package operator_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// printer is an operator.Receiver at the end of a chain.
type printer struct{}

func (printer) Receive(r *weir.Record[string, int]) error {
	fmt.Println(r.Key, r.Value)
	return nil
}

// Kernels are linked by hand, from the last one to the first. Receive hands a record to the chain.
func Example() {
	env := &operator.Env{Context: context.Background()}
	length := &operator.Map[string, string, int]{Env: env, Node: 3, F: func(s string) int { return len(s) }, Next: printer{}}
	rekey := &operator.Rekey[string, string, string]{
		Env: env, Node: 2, F: func(_ context.Context, r *weir.Record[string, string]) (string, error) {
			return strings.ToUpper(r.Key), nil
		}, Next: length,
	}
	filter := &operator.Filter[string, string]{Env: env, Node: 1, F: func(s string) bool { return s != "" }, Next: rekey}
	for _, text := range []string{"one", "", "three"} {
		if err := filter.Receive(&weir.Record[string, string]{Key: "k", Value: text}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// K 3
	// K 5
}
