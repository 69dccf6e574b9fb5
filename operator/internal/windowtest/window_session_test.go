package windowtest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// sessionsOf cuts times into sessions by the definition alone: neighbours are at most gap apart.
func sessionsOf(key string, times []int64, gap int64) (sessions []string) {
	slices.Sort(times)
	for i := 0; i < len(times); {
		j := i + 1
		for j < len(times) && times[j]-times[j-1] <= gap {
			j++
		}
		sessions = append(sessions, fmt.Sprintf("%s[%d,%d]=%d", key, times[i], times[j-1], j-i))
		i = j
	}
	return sessions
}

// Sessions are those of all records that are not late, whatever the order in which these arrive; and a record is late if
// it is older than the greatest time by more than the gap and the grace period, whatever sessions there are.
func TestSessionsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	for seed := range uint64(4000) {
		random := rand.New(rand.NewPCG(seed, 12))
		gap, grace := 1+random.Int64N(15), random.Int64N(20)*random.Int64N(2)
		byPartition := random.IntN(2) == 0
		d := window.Session(time.Duration(gap) * time.Millisecond).Grace(time.Duration(grace) * time.Millisecond)
		if byPartition {
			d = d.CloseByPartition()
		}
		x := open(t, state.NewMemory(), d, window.Sum(itself), operator.Emission[string, int, int]{})
		accepted, reached := map[string][]int64{}, map[string]int64{}
		now := int64(1000)
		for range 30 {
			now += random.Int64N(1 + gap)
			key, at := []string{"a", "b"}[random.IntN(2)], now-random.Int64N(1+2*gap+grace)
			clock := key
			if byPartition {
				clock = "all"
			}
			reached[clock] = max(reached[clock], at)
			isLate := at < reached[clock]-gap-grace
			late := x.env.Late
			x.send(key, at, 1)
			if got := x.env.Late != late; got != isLate {
				t.Fatalf("seed %d: %q at %d, when %d is reached, is late: %v, want %v", seed, key, at, reached[clock], got, isLate)
			}
			if !isLate {
				accepted[key] = append(accepted[key], at)
			}
		}
		for _, key := range []string{"a", "b"} {
			x.send(key, now+1_000_000, 1)
			x.send(key, now+2_000_000, 1) // closes the one before, too
		}
		got := map[string][]string{}
		for _, r := range x.out.records {
			if r.Value.StartMillis < now+1000 {
				got[r.Key] = append(got[r.Key], fmt.Sprintf("%s[%d,%d]=%d", r.Key, r.Value.StartMillis, r.Value.EndMillis, r.Value.Value))
			}
		}
		want := map[string][]string{}
		for key, times := range accepted {
			want[key] = sessionsOf(key, times, gap)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, %v (-want +got):\n%s", seed, d, diff)
		}
	}
}
