package inventorytest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

type textStream = streamtest.TextStream

var (
	in         = streamtest.In
	out        = streamtest.Out
	topic      = streamtest.Topic
	cellHandle = streamtest.Cell
	accept     = streamtest.Accept
	same       = streamtest.Same
	first      = streamtest.First
)
