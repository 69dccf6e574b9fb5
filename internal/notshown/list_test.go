package notshown_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/notshown"
)

func TestNamesOfTheListNeedAReason(t *testing.T) {
	known, unexplained := notshown.Parse([]byte("# programs reach this by another way\na.B\n\nc.D\n"))
	if diff := cmp.Diff([]string{"a.B", "c.D"}, known); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c.D"}, unexplained); diff != "" {
		t.Errorf("names without a reason (-want +got):\n%s", diff)
	}
	got := string(notshown.Update([]byte("# a reason\na.B\na.C\n"), []string{"a.C", "e.F"}))
	if diff := cmp.Diff("# a reason\na.C\n\ne.F\n", got); diff != "" {
		t.Errorf("updated list (-want +got):\n%s", diff)
	}
}
