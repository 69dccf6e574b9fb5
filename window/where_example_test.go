package window_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/window"
)

func ExampleWhere() {
	hot := func(r Reading) bool { return r.Celsius > 21 }
	share := window.Combine2(window.Where(hot, window.Count[Reading]()), window.Count[Reading](),
		func(hot, all int64) string { return fmt.Sprintf("%d of %d are hot", hot, all) })
	aggregate(window.Tumbling(30*time.Second), share, 20, 22, 24, 23)
	// Output: 00:00:00 2 of 3 are hot
}
