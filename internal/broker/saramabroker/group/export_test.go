package group

import "github.com/weirstreams/weir/internal/broker"

// Kill closes the connections of a group for good and says nothing to the coordinator, as the death of a process does.
func Kill(g broker.Group) {
	g.(*group).conns.Close()
	g.(*group).commits.close()
}
