// Command clickstream finds the visits of a web site, each a session of clicks, counts by which pages visits begin, and keeps the list of the
// two pages by which most of them do.
//
//	go run ./examples/clickstream
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Visit is a session of one visitor.
type Visit struct {
	Landing string        `json:"landing"`
	Clicks  int64         `json:"clicks"`
	Length  time.Duration `json:"length"`
}

// Landing is a page with the number of visits that began there.
type Landing struct {
	Page   string `json:"page"`
	Visits int64  `json:"visits"`
}

const topLength = 2

var (
	clicks   = stream.NewTopic("clicks", codec.String(), codec.String()) // by visitor: the page
	visits   = stream.NewTopic("visits", codec.String(), codec.JSON[Visit]())
	landings = stream.NewTopic("landings", codec.String(), codec.Int64())
	tops     = stream.NewTopic("top-pages", codec.String(), codec.JSON[[]Landing]())

	best = store.NewCell[[]Landing]("best")
)

// topology ends a visit after half an hour without a click. A visitor that has left sends nothing more, so the clock ends it
// (Config.IdleTimeout).
func topology(ended *stream.Collector[string, Visit], counted *stream.Collector[string, int64], top *stream.Collector[string, []Landing]) *stream.Topology {
	type clicked struct {
		landing string
		clicks  int64
	}
	landing := window.Earliest(func(page string) string { return page })
	t := stream.NewTopology()
	visited := t.From(clicks).
		Window(window.Session(30 * time.Minute)).
		Aggregate(window.Combine2(landing, window.Count[string](), func(page string, n int64) clicked { return clicked{page, n} })).
		Final().
		Map(func(s window.Result[clicked]) Visit {
			return Visit{s.Value.landing, s.Value.clicks, s.End().Sub(s.Start())}
		})
	visited.Collect(ended).To(visits)
	counts := visited.
		GroupBy("landing", func(v Visit) string { return v.Landing }).
		Aggregate("visits", window.Count[Visit]()).
		Collect(counted)
	counts.To(landings)

	// One key brings the counts of all pages to one task. It keeps a few pages only, and that is exact because counts grow: a page that has
	// left the list comes back with its next count or not at all.
	counts.
		MapRecord(func(_ context.Context, r weir.Record[string, int64]) (Landing, error) {
			return Landing{r.Key, r.Value}, nil
		}).
		GroupBy("all", func(Landing) string { return "all" }).
		MapState(best, func(c *store.Cell[[]Landing], next Landing) []Landing {
			before, _ := c.Get()
			list := []Landing{next} // a new list, as the state and earlier results have the other
			for _, l := range before {
				if l.Page != next.Page {
					list = append(list, l)
				}
			}
			slices.SortFunc(list, func(a, b Landing) int {
				return cmp.Or(cmp.Compare(b.Visits, a.Visits), cmp.Compare(a.Page, b.Page))
			})
			list = list[:min(len(list), topLength)]
			c.Set(list)
			return list
		}).
		Collect(top).
		To(tops)
	return t
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var ended stream.Collector[string, Visit]
	var counted stream.Collector[string, int64]
	var top stream.Collector[string, []Landing]
	config.IdleTimeout = time.Second // the clicks of this program are all there; a site would take minutes
	app, err := runtime.New(topology(&ended, &counted, &top), config)
	if err != nil {
		return err
	}
	morning := time.Now().Add(-6 * time.Hour).Truncate(time.Hour)
	click := func(minute int, visitor, page string) weir.Record[string, string] {
		return weir.Record[string, string]{Key: visitor, Value: page, Millis: morning.Add(time.Duration(minute) * time.Minute).UnixMilli()}
	}
	if err := local.Feed(ctx, app, clicks,
		click(0, "ann", "/"), click(2, "ann", "/shoes"), click(3, "bob", "/sale"), click(25, "ann", "/cart"),
		click(40, "bob", "/sale"), click(41, "bob", "/shoes"), click(90, "ann", "/"),
		click(200, "dan", "/help"), click(300, "cat", "/")); err != nil {
		return err
	}
	const sessions = 6 // each is a record of visits, and makes one of landings and one of top-pages
	if err := app.RunUntil(ctx, runtime.Until{Outputs: 3 * sessions}); err != nil {
		return err
	}
	lines := []string{}
	for _, r := range ended.Records() {
		lines = append(lines, fmt.Sprintf("%s: %d clicks in %v, from %s on", r.Key, r.Value.Clicks, r.Value.Length, r.Value.Landing))
	}
	slices.Sort(lines) // visitors in different partitions have no order
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	latest := map[string]int64{}
	for _, r := range counted.Records() {
		latest[r.Key] = max(latest[r.Key], r.Value)
	}
	for _, page := range slices.Sorted(maps.Keys(latest)) {
		fmt.Fprintf(out, "%d visits began at %s\n", latest[page], page)
	}
	lists := top.Records()
	fmt.Fprintln(out, "most began at:", lists[len(lists)-1].Value)
	return nil
}

func main() { local.Main("clickstream", program) }
