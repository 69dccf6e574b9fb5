package valuetest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

var (
	in = streamtest.In
	at = streamtest.At
)
