package windowtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// pacesInput and pacesMerged are the input of chains of windows; pacesOutput has the results of the last.
var (
	pacesInput  = stream.NewTopic("paces", codec.String(), codec.Int())
	pacesMerged = stream.NewTopic("paces_merged", codec.String(), codec.Int())
	pacesOutput = stream.NewTopic("paces_sums", codec.String(), codec.Int())
)

// pacesCase is a chain of windows of one kind, with a GroupBy between each two.
type pacesCase struct {
	kind, keys          string
	partitions          int32
	depth               int
	exactlyOnce, replay bool
}

const (
	pacesSize    = 10 * time.Second
	pacesTimeout = 8 * time.Second
)

func (c pacesCase) String() string {
	return fmt.Sprintf("%s, %s, %d partitions, depth %d, exactly once %v, replay %v", c.kind, c.keys, c.partitions, c.depth, c.exactlyOnce, c.replay)
}

func (c pacesCase) definition() window.Definition {
	switch c.kind {
	case "hopping":
		return window.Hopping(pacesSize, pacesSize/2)
	case "session":
		return window.Session(pacesSize / 5)
	case "sliding":
		return window.Sliding(pacesSize / 5)
	case "by partition":
		return window.Tumbling(pacesSize).CloseByPartition()
	default:
		return window.Tumbling(pacesSize)
	}
}

// regroup returns the key of a result of a stage in the next stage.
func (c pacesCase) regroup(key string) string {
	switch c.keys {
	case "one key":
		return "x"
	case "few keys":
		n, _ := strconv.Atoi(key)
		return strconv.Itoa(n % 3)
	default:
		return key
	}
}

func (c pacesCase) topology() *stream.Topology {
	t := stream.NewTopology()
	s := t.From(pacesInput)
	if c.kind == "merge" {
		s = s.Merge(t.From(pacesMerged))
	}
	for i := range c.depth {
		if i > 0 {
			s = s.GroupByRecord(fmt.Sprintf("stage_%d", i), func(_ context.Context, r weir.Record[string, int]) (string, error) {
				return c.regroup(r.Key), nil
			})
		}
		s = s.Window(c.definition()).Aggregate(window.Sum(func(n int) int { return n })).Final().
			Map(func(r window.Result[int]) int { return r.Value })
	}
	s.To(pacesOutput)
	return t
}

// pacesRecord is a record or a result, with its time in milliseconds.
type pacesRecord struct {
	Key   string
	At    int64
	Value int
}

// expected returns the results of a chain: those of all records, whenever they are processed.
func (c pacesCase) expected(records []pacesRecord) []pacesRecord {
	for i := range c.depth {
		byKey := map[string][]pacesRecord{}
		for _, r := range records {
			if i > 0 {
				r.Key = c.regroup(r.Key)
			}
			byKey[r.Key] = append(byKey[r.Key], r)
		}
		records = nil
		for key, of := range byKey {
			slices.SortFunc(of, func(a, b pacesRecord) int { return int(a.At - b.At) })
			for at, value := range c.fold(of) {
				records = append(records, pacesRecord{key, at, value})
			}
		}
	}
	return records
}

// fold returns the results of one key's records, which are sorted, by their time.
func (c pacesCase) fold(of []pacesRecord) map[int64]int {
	size := pacesSize.Milliseconds()
	sums := map[int64]int{}
	switch c.kind {
	case "session":
		start, last := int64(-1), int64(0)
		for _, r := range of {
			if start < 0 || r.At-last > size/5 {
				start = r.At
			}
			last = r.At
			sums[start] += r.Value
		}
	case "sliding":
		for _, end := range of {
			sums[end.At-size/5] = 0
			for _, r := range of {
				if r.At >= end.At-size/5 && r.At <= end.At {
					sums[end.At-size/5] += r.Value
				}
			}
		}
	case "hopping":
		for _, r := range of {
			last := r.At - r.At%(size/2)
			sums[last] += r.Value
			sums[last-size/2] += r.Value
		}
	default:
		for _, r := range of {
			sums[r.At-r.At%size] += r.Value
		}
	}
	return sums
}

// run feeds records, whose times are in order, and returns the results of the chain when everything has closed.
func (c pacesCase) run(t *testing.T, seed uint64) (records, results []pacesRecord, late int64) {
	r := rand.New(rand.NewPCG(seed, 7))
	d := testkit.New(t, c.topology(), testkit.Config{
		IdleTimeout: pacesTimeout, ExactlyOnce: c.exactlyOnce, Partitions: c.partitions, Workers: 1 + r.IntN(2), CheckpointInterval: time.Second,
	})
	out := d.Output(pacesOutput)
	inputs := []*testkit.Input[string, int]{d.Input(pacesInput)}
	if c.kind == "merge" {
		inputs = append(inputs, d.Input(pacesMerged))
	}
	d.Advance(pacesTimeout)
	age := []time.Duration{0, time.Minute, 3 * time.Hour}[r.IntN(3)]
	if c.replay {
		age = 24 * time.Hour
	}
	begin, passed := d.Now().Add(-age), time.Duration(0)
	var batch []testkit.Record[string, int]
	to := 0
	for i := range 40 {
		gap := time.Duration(r.IntN(1000)) * time.Millisecond
		if passed += gap; !c.replay {
			if age > 0 {
				gap /= 5 // old records come faster than they were made: no partition is silent for a timeout
			}
			d.Advance(gap)
		}
		x := testkit.Record[string, int]{Key: strconv.Itoa(i % (10 + r.IntN(20))), Value: 1, Time: begin.Add(passed)}
		records = append(records, pacesRecord{x.Key, x.Time.UnixMilli(), 1})
		if next := r.IntN(len(inputs)); !c.replay || next != to {
			inputs[to].SendRecords(batch...)
			batch, to = nil, next
		}
		batch = append(batch, x)
	}
	inputs[to].SendRecords(batch...)
	for i := range 60 + 30*c.depth {
		d.Advance(time.Second)
		if i%20 == 10 && r.IntN(3) == 0 {
			d.Restart()
		}
	}
	for _, x := range out.Read() {
		results = append(results, pacesRecord{x.Key, x.Time.UnixMilli(), x.Value})
	}
	for _, task := range d.Tasks() {
		late += task.Late
	}
	return records, results, late
}

// No result is lost on its way to the next windows, though the tasks in front of them come as far at different times.
// By default it tries one case in eleven.
func TestTasksOfDifferentPaceLoseNothingBetweenWindows(t *testing.T) {
	seed := uint64(0)
	for _, kind := range []string{"tumbling", "hopping", "session", "sliding", "by partition", "merge"} {
		for _, keys := range []string{"every key", "one key", "few keys"} {
			for _, partitions := range []int32{1, 3, 4} {
				for depth := 2; depth <= 4; depth++ {
					for mode := range 4 {
						c := pacesCase{kind, keys, partitions, depth, mode&1 != 0, mode&2 != 0}
						if seed++; seed%uint64(longtest.Cases(11, 1)) != 0 {
							continue
						}
						t.Run(c.String(), func(t *testing.T) {
							records, results, late := c.run(t, seed)
							order := cmp.Transformer("sorted", func(of []pacesRecord) []pacesRecord {
								of = slices.Clone(of)
								slices.SortFunc(of, func(a, b pacesRecord) int {
									if a.Key != b.Key {
										return cmpStrings(a.Key, b.Key)
									}
									return int(a.At - b.At)
								})
								return of
							})
							if diff := cmp.Diff(c.expected(records), results, cmp.FilterPath(func(p cmp.Path) bool { return len(p) == 1 }, order)); diff != "" || late != 0 {
								t.Errorf("%d late; results (-want +got):\n%s", late, diff)
							}
						})
					}
				}
			}
		}
	}
}

func cmpStrings(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}
