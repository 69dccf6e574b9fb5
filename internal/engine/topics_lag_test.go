package engine_test

import "testing"

// Compaction has to wait until what does not count could be taken back: docs/guarantees.md.
func TestChangelogsAreNotCompactedAtOnce(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	infos, err := c.broker.Topics(t.Context(), totalChangelog)
	if err != nil {
		t.Fatal(err)
	}
	if got := infos[totalChangelog].Config["min.compaction.lag.ms"]; got != "900000" {
		t.Errorf("min.compaction.lag.ms is %q, want 900000", got)
	}
	p := c.mustStart(memoryDisk{})
	for i := range int64(3) {
		c.order("north", 1, i)
		c.settle(p)
	}
	before := len(c.broker.Read(totalChangelog0, 0))
	if err := c.broker.Compact(totalChangelog); err != nil {
		t.Fatal(err)
	}
	if n := len(c.broker.Read(totalChangelog0, 0)); n != before {
		t.Errorf("%d of %d records are left", n, before)
	}
}
