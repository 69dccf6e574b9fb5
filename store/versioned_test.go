package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// Versions, deletions and the ends of versions survive restarts and come back from the changelog.
func TestVersionsSurviveRestarts(t *testing.T) {
	for name, exactlyOnce := range map[string]bool{"at least once": false, "exactly once": true} {
		t.Run(name, func(t *testing.T) {
			prices := stream.NewTopic("prices", codec.String(), codec.Int())
			seen := stream.NewTopic("seen", codec.String(), codec.JSON[[]int]())
			versions := store.NewVersioned[int]("versions", 100*time.Second)
			topology := stream.NewTopology()
			topology.From(prices).MapStateRecord(versions, func(_ context.Context, v *store.Versioned[int], r weir.Record[string, int]) ([]int, error) {
				if r.Value > 0 {
					v.Put(r.Value, r.Time())
				} else if r.Value < 0 {
					v.Delete(r.Time())
				}
				latest, _ := v.Get()
				found := []int{latest}
				for _, second := range []int64{10, 20, 30} {
					former, _ := v.AsOf(time.Unix(second, 0))
					found = append(found, former)
				}
				return found, nil
			}).To(seen)
			d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactlyOnce})
			look := func(change int, second int64, want ...int) {
				t.Helper()
				d.Input(prices).Send("k", change, time.Unix(second, 0))
				var got []int
				for _, r := range d.Output(seen).Read() {
					got = r.Value
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("at %d s (-want +got):\n%s", second, diff)
				}
				d.Restart()
			}
			look(1, 10, 1, 1, 1, 1)
			look(3, 30, 3, 1, 1, 3)
			look(2, 20, 3, 1, 2, 3)
			d.Crash(testkit.LoseState)
			look(0, 30, 3, 1, 2, 3)
			look(-1, 40, 0, 1, 2, 3)
			d.Crash(testkit.LoseState)
			look(0, 119, 0, 1, 2, 3)
			look(0, 120, 0, 0, 2, 3) // 10 s was followed at 20 s
			look(0, 130, 0, 0, 0, 3)
			d.Crash(testkit.LoseState)
			look(0, 139, 0, 0, 0, 3)
			look(4, 140, 4, 0, 0, 0)
			look(5, 39, 4, 0, 0, 0) // older than the retention
			look(0, 1000, 4, 0, 0, 0)
		})
	}
}
