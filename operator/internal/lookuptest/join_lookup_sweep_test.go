package lookuptest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A configuration that arrives releases the records that wait for it, of all keys, without a further record and before their wait is over.
func TestAChangeOfALookupReleasesTheRecordsThatWait(t *testing.T) {
	for name, disturb := range map[string]func(*testkit.Driver){
		"undisturbed": func(*testkit.Driver) {},
		"restarted":   (*testkit.Driver).Restart,
		"crashed":     func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) },
	} {
		for _, exactlyOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, exactlyOnce), func(t *testing.T) {
				b := newBuffered(t, true, plain, testkit.Config{ExactlyOnce: exactlyOnce})
				for i := range 5 {
					b.send(fmt.Sprint("k", i), "one/a", "two/a", "one/b")
				}
				b.send("", "one/c")
				b.Advance(100 * time.Millisecond)
				b.expect()
				b.configs.known["one"] = "1"
				b.Advance(100 * time.Millisecond)
				b.expect() // nothing has told of it
				disturb(b.Driver)
				b.configs.changed++
				b.Advance(100 * time.Millisecond)
				want := []string{}
				for i := range 5 {
					want = append(want, fmt.Sprintf("k%d: one/a=1", i), fmt.Sprintf("k%d: one/b=1", i))
				}
				want = append([]string{": one/c=1"}, want...)
				b.expectAnyOrder(want...)
				b.configs.known["two"] = "2"
				b.configs.changed++
				b.Advance(100 * time.Millisecond)
				b.expect() // a sweep begins once in a second
				b.Advance(time.Second)
				b.expectAnyOrder("k0: two/a=2", "k1: two/a=2", "k2: two/a=2", "k3: two/a=2", "k4: two/a=2")
				b.Advance(10 * time.Second)
				b.expect()
			})
		}
	}
}

// What a cache has found before the change does not hide the row.
func TestAChangeOfALookupIsNotHiddenByWrappers(t *testing.T) {
	type lookup = join.Lookup[string, string]
	for name, wrap := range map[string]func(configs lookup) lookup{
		"cache inside": func(c lookup) lookup {
			return join.Buffered[string, string](join.Cached[string, string](c, join.CacheConfig{TTL: time.Hour}), 5*time.Second)
		},
		"cache around": func(c lookup) lookup {
			return join.Cached[string, string](join.Buffered[string, string](c, 5*time.Second), join.CacheConfig{TTL: time.Hour})
		},
		"limits around": func(c lookup) lookup {
			return join.Limit[string, string](join.Buffered[string, string](c, 5*time.Second), join.Limits{Tries: 2})
		},
	} {
		t.Run(name, func(t *testing.T) {
			configs := &configurations{known: map[string]string{}}
			topology := stream.NewTopology()
			topology.From(bufferIn).JoinLookup(wrap(configs), func(v string) string { return v }, func(v, row string) string { return v + "=" + row }).To(bufferOut)
			d := testkit.New(t, topology, testkit.Config{Start: time.UnixMilli(1_000_000)})
			b := &buffered{d, t, configs, d.Input(bufferIn), d.Output(bufferOut)}
			b.send("k", "one")
			b.Advance(100 * time.Millisecond)
			configs.known["one"], configs.changed = "1", 1
			b.Advance(100 * time.Millisecond)
			b.expect("k: one=1")
		})
	}
}
