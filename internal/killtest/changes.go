package killtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Changes describes a table with numbers that are 0 at first and change while a process that reads the table is killed.
type Changes struct {
	// Rows is the number of rows, with ids from 1 on, and Total how often each changes.
	Rows, Total int
	// Kills is how many times the process is killed.
	Kills int
	// Change adds 1 to the number of each row. It is called on a goroutine of its own.
	Change func(context.Context) error
	// Read returns the numbers that were read of each row, in order.
	Read func() map[int64][]int
}

// RunChanges starts a process of an application that reads a table, and kills it again and again. The first state of each row that was read, and each
// later one, must be read once and in order. Rows change as long as the process has read nearly all that there is, so that it is killed in the
// middle of its work.
func RunChanges[P any, M interface {
	*P
	member() *Member
}](t *testing.T, description P, c Changes) {
	t.Helper()
	progress := make(chan int, 1)
	var changing sync.WaitGroup
	defer changing.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changing.Go(func() {
		done := 0
		for made := range c.Total {
			for done < made-20 {
				select {
				case done = <-progress:
				case <-ctx.Done():
					return
				}
			}
			if err := c.Change(ctx); err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
		}
	})
	Run[P, M](t, description, Plan{
		Kills: c.Kills, Total: c.Total, Step: 30, Within: 8 * time.Minute,
		Progress: func() int {
			states := c.Read()
			least := c.Total
			for id := range int64(c.Rows) {
				last := 0
				for _, n := range states[id+1] {
					last = max(last, n)
				}
				least = min(least, last)
			}
			select {
			case progress <- least:
			default:
			}
			return least
		},
	})
	for id, got := range c.Read() {
		var want []int
		for n := got[0]; n <= c.Total; n++ {
			want = append(want, n)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d kills: row %d (-want +got):\n%.2000s", c.Kills, id, diff)
		}
	}
}
