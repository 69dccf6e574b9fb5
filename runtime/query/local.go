package query

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/runtime"
)

// Local returns the stores that an App has itself. Reads of partitions of other members are weir.ErrNotOwner.
//
// It may be used before, during and after App.Run, by any number of goroutines. A read takes the time that the database needs for one page; the App
// goes on meanwhile, but gives up a partition only when the reads of it that have begun are through.
func Local(app *runtime.App) Source { return local{serving.Of(app)} }

type local struct{ stores *serving.Stores }

func (l local) read(ctx context.Context, q request) (response, error) {
	r, _, err := l.find(ctx, q)
	return r, err
}

// find reads rows, and returns the store and the partition also with an error of the read.
func (l local) find(ctx context.Context, q request) (r response, found serving.Store, err error) {
	if err := ctx.Err(); err != nil {
		return r, found, fmt.Errorf("query of store %q: %w", q.store, err)
	}
	if found, err = l.stores.Find(q.store); err != nil {
		return r, found, err
	}
	r.Partition, r.Partitions = q.partition, found.Partitions
	if r.Partition < 0 {
		if !found.Even {
			return r, found, fmt.Errorf("%w: query of store %q: its topics differ in their numbers of partitions, so that the key does not tell "+
				"the partition: set Options.Partition", weir.ErrConfiguration, q.store)
		}
		r.Partition = murmur2.Partition(q.key, found.Partitions)
	}
	page, err := l.stores.Read(found, r.Partition, q.rows, q.atLeast.in(r.Partition))
	if err != nil {
		return r, found, fmt.Errorf("query: %w", err)
	}
	r.Rows, r.Next, r.Position = page.Rows, page.Next, page.Position
	return r, found, nil
}
