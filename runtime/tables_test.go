package runtime_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Tables of tables, cogroups and versioned tables have the rows of before on a machine that restores them from the cluster.
func TestTablesOfTablesAreRestoredOnAnotherMachine(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		users, pages, out := k.Topic(t, "users", 2), k.Topic(t, "pages", 2), k.Topic(t, "out", 2)
		text := func(name string) stream.Topic[string, string] {
			return stream.NewTopic(name, codec.String(), codec.String())
		}
		topology := func() *stream.Topology {
			topology := stream.NewTopology()
			user, page := topology.From(text(users)), topology.From(text(pages))
			past := stream.VersionedTableOf(user, store.NewVersioned[string]("past", time.Hour))
			page.JoinTable(past, func(page, user string) string { return "page " + page + " of " + user }).To(text(out))
			past.Filter(func(_, user string) bool { return user != "nobody" }).
				Map(func(_, user string) string { return strings.ToLower(user) }).
				GroupBy("initial", func(_, user string) string { return user[:1] }).
				Aggregate("initials", window.Count[string]()).
				Map(func(initial string, n int64) string { return fmt.Sprintf("%d with %s", n, initial) }).To(text(out))
			stream.Cogroup("profiles",
				stream.Fold(user, func(profile, user string) string { return profile + " " + user }),
				stream.Fold(page, func(profile, page string) string { return profile + " " + page })).
				Map(func(_, profile string) string { return "profile" + profile }).To(text(out))
			return topology
		}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval, config.Topics.Create = g, 100*time.Millisecond, true
		has := func(want ...string) func() bool {
			return func() bool {
				got := map[string]bool{}
				for _, r := range k.read(out) {
					got[string(r.Value)] = true
				}
				for _, w := range want {
					if !got[w] {
						return false
					}
				}
				return true
			}
		}
		send := func(topic, value string, at int64) {
			r := raw("7", value)
			r.Millis = now - 10_000 + at
			k.write(topic, 0, r)
		}
		send(users, "Ada", 1_000)
		send(users, "Bob", 3_000)
		send(pages, "/a", 3_500)
		first := run(t, topology(), config)
		await(t, "the first results", has("page /a of Bob", "1 with b", "profile Ada Bob /a"))
		first.stop()
		config.State.Dir = t.TempDir() // as on another machine
		send(pages, "/b", 2_000)
		send(users, "Cid", 4_000)
		second := run(t, topology(), config)
		await(t, "the results of restored rows", has("page /b of Ada", "1 with c"))
		await(t, "the restored profile", func() bool {
			return has("profile Ada Bob /a /b Cid")() || has("profile Ada Bob /a Cid /b")()
		})
		second.stop()
		last := map[string]string{}
		for _, r := range k.read(out) {
			if strings.Contains(string(r.Value), " with ") || r.Value == nil {
				last[string(r.Key)] = string(r.Value)
			}
		}
		if diff := cmp.Diff(map[string]string{"a": "", "b": "", "c": "1 with c"}, last); diff != "" {
			t.Errorf("the last rows of groups (-want +got):\n%s", diff)
		}
	})
}
