package tabletest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

func TestWithoutChangelogIsSaidOfAllStoresOfAnOperator(t *testing.T) {
	shared := store.NewCell[string]("shared")
	text := stream.NewTopic("text", codec.String(), codec.String())
	topology := stream.NewTopology()
	s := topology.From(text)
	s.Deduplicate("seen", time.Hour, func(v string) string { return v }).WithoutChangelog().To(text)
	last := func(_, v string) string { return v }
	s.Reduce(shared, last).To(text)
	s.Reduce(shared, last).WithoutChangelog().To(text) // one of the operators says so
	rooms := topology.Table(hotels).WithoutChangelog()
	topology.Table(bookings).JoinForeignKey("stay", rooms, hotelOf, func(b booking, h hotel) string { return b.Guest + h.Name }).
		WithoutChangelog().To(stays)
	got := topology.Describe()
	for _, line := range strings.Split(got, "\n") {
		has := strings.Contains(line, "store ") || strings.Contains(line, "changelog")
		if has && !strings.Contains(line, "no changelog") && !strings.Contains(line, "table_bookings") {
			t.Errorf("a store has a changelog: %s", line)
		}
	}
	if n := strings.Count(got, "no changelog"); n != 6 {
		t.Errorf("%d stores have no changelog, want 6:\n%s", n, got)
	}
}

func TestWithoutChangelogBehindAnOperatorWithoutStateIsRefused(t *testing.T) {
	topology := stream.NewTopology()
	topology.Table(bookings).Stream().Filter(func(booking) bool { return true }).WithoutChangelog().
		To(stream.NewTopic("other", codec.String(), codec.JSON[booking]()))
	if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), "right behind") {
		t.Errorf("error %v does not say where WithoutChangelog belongs", err)
	}
}
