package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
)

// cutChangelog deletes the records of the changelog of the totals before an offset; -1 means all of them.
func (c *cluster) cutChangelog(before int64) broker.TopicPartition {
	c.t.Helper()
	changelog := broker.TopicPartition{Topic: c.plan.SubTopologies[0].Stores[0].Changelog}
	if err := c.broker.DeleteRecords(changelog, before); err != nil {
		c.t.Fatal(err)
	}
	return changelog
}

// twoCustomers leaves a changelog with two records of state at least, the first of customer 0 and the next of customer 1, and returns an offset
// between them.
func twoCustomers(t *testing.T, exactlyOnce bool, d disk) (c *cluster, between int64) {
	t.Helper()
	c = newCluster(t, customers(), 1)
	c.config.ExactlyOnce = exactlyOnce
	p := c.mustStart(d)
	c.order("north", 1, 0)
	c.settle(p)
	changelog := broker.TopicPartition{Topic: c.plan.SubTopologies[0].Stores[0].Changelog}
	between = c.broker.End(changelog)
	c.order("north", 1, 1)
	c.settle(p)
	p.mustClose()
	return c, between
}

// Compaction does not move the first offset of a changelog. If it has moved, a restore lacks rows.
func TestAChangelogWithoutItsFirstRecordsIsLostState(t *testing.T) {
	for _, all := range []bool{false, true} {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("all records cut %v, killed in between %v", all, kill), func(t *testing.T) {
				bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
					lose := func() (*cluster, memoryDisk, broker.TopicPartition) {
						d := memoryDisk{}
						c, between := twoCustomers(t, exactlyOnce, d)
						if all {
							between = -1
						}
						changelog := c.cutChangelog(between)
						d.lose()
						return c, d, changelog
					}
					c, d, changelog := lose()
					for range 2 { // a database that a refused restore has filled does not hide the loss
						_, err := c.tryStart(d)
						if !errors.Is(err, weir.ErrLostState) {
							t.Fatalf("error %v, want lost state", err)
						}
						for _, says := range []string{changelog.String(), `store "total"`, "offset ", "Config.Topics.OnLostInput", "LostInputContinues"} {
							if !strings.Contains(err.Error(), says) {
								t.Errorf("error %v does not say %q", err, says)
							}
						}
					}

					c.config.LostInput = engine.LostContinue
					p := c.mustStart(d)
					c.settle(p)
					if kill {
						p.abandon()
					} else {
						p.mustClose()
					}
					c.config.LostInput = engine.LostFail // it was decided, also for a member without the database
					d.lose()
					p = c.mustStart(d)
					for i := range 5 {
						c.order("north", 1, int64(2+i))
					}
					c.settle(p)
					want := each(1)
					if !all {
						want["customer 1"] = 2
					}
					if diff := gocmp.Diff(want, c.lastTotals()); diff != "" {
						t.Errorf("totals of what is left (-want +got):\n%s", diff)
					}

					c, d, _ = lose()
					c.config.LostInput = engine.LostReset
					c.order("north", 5, 2) // not processed yet, and not lost
					c.mustStart(d).mustClose()
					c.config.LostInput = engine.LostFail
					d.lose()
					p = c.mustStart(d)
					for i := range 4 {
						c.order("north", 1, int64(3+i))
					}
					c.settle(p)
					want = each(1)
					want["customer 2"] = 5
					if diff := gocmp.Diff(want, c.lastTotals()); diff != "" {
						t.Errorf("totals after a reset (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// A database that has read the records before they went is whole, also if it lies behind a cut that took nothing of the committed work.
func TestADatabaseIsWholeWhenItsChangelogIsCut(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, between := twoCustomers(t, exactlyOnce, d)
		for range 2 {
			c.cutChangelog(between)
			p := c.mustStart(d)
			for i := range 5 {
				c.order("north", 1, int64(2+i))
			}
			c.settle(p)
			p.abandon()
			between = -1
		}
		want := each(2)
		want["customer 0"], want["customer 1"] = 3, 3
		if diff := gocmp.Diff(want, c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}

// A group that begins anew, with changelogs that were emptied on purpose, has lost nothing, and does not say so at a later restore.
func TestAGroupThatBeginsAnewWithEmptiedChangelogsHasLostNothing(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		c.cutChangelog(-1)
		c.broker.Forget(groupName)
		for range 2 {
			d.lose()
			p = c.mustStart(d)
			c.settle(p)
			p.mustClose()
		}
		if diff := gocmp.Diff(each(4), c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}
