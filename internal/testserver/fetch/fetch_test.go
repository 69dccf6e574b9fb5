//go:build unix

package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/weirstreams/weir/internal/testserver/process.launch"))
}

const (
	greeting    = "hello\n"
	greetingSum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  greeting\n"
	otherSum    = "0000000000000000000000000000000000000000000000000000000000000000"
)

func newTestCache(t *testing.T) *Cache {
	return &Cache{Dir: t.TempDir(), Root: t.TempDir(), Say: t.Logf}
}

// filled is a source that writes a file.
func filled(fills *atomic.Int32) Source {
	return Source{
		Name: "greeting", Sums: greetingSum,
		Fill: func(_ context.Context, files, _ string) error {
			fills.Add(1)
			return os.WriteFile(filepath.Join(files, "greeting"), []byte(greeting), 0o644)
		},
	}
}

// wantNoRest fails if the cache has anything but locks.
func wantNoRest(t *testing.T, c *Cache) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.Dir, "servers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			t.Errorf("%s is left in the cache", e.Name())
		}
	}
}

func TestASourceIsFetchedOnceByManyAtATime(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	var fills atomic.Int32
	var gets sync.WaitGroup
	for range 8 {
		gets.Go(func() {
			dir, err := c.Get(t.Context(), filled(&fills))
			if err != nil {
				t.Error(err)
				return
			}
			content, err := os.ReadFile(filepath.Join(dir, "greeting"))
			if err != nil || string(content) != greeting {
				t.Errorf("%q, %v", content, err)
			}
		})
	}
	gets.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestFilesThatDoNotMatchTheirChecksumsAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sums, want string }{
		"another content": {otherSum + "  greeting\n", "greeting has 5891b5b5"},
		"a missing file":  {greetingSum + otherSum + "  farewell\n", "farewell was not fetched"},
		"an extra file":   {otherSum + "  farewell\n", "greeting is not in the list"},
		"no list":         {"", "greeting is not in the list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestCache(t)
			var fills atomic.Int32
			s := filled(&fills)
			s.Sums = test.sums
			s.Unpack = func(context.Context, string) error {
				t.Error("unpacked what was refused")
				return nil
			}
			_, err := c.Get(t.Context(), s)
			if !errors.Is(err, ErrChecksum) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v instead of ErrChecksum with %q", err, test.want)
			}
			wantNoRest(t, c)
		})
	}
}

func TestSumsAreThoseThatGetAccepts(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	var fills atomic.Int32
	sums, err := c.Sums(t.Context(), filled(&fills))
	if err != nil || sums != greetingSum {
		t.Errorf("%q, %v", sums, err)
	}
	wantNoRest(t, c)
}

func TestAFetchThatFailsOnceIsRepeatedWithEmptyDirectories(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	var fills atomic.Int32
	s := filled(&fills)
	fill := s.Fill
	s.Fill = func(ctx context.Context, files, work string) error {
		if fills.Load() == 0 {
			fills.Add(1)
			return errors.Join(os.WriteFile(filepath.Join(files, "half"), nil, 0o644), errors.New("the network failed"))
		}
		return fill(ctx, files, work)
	}
	if _, err := c.Get(t.Context(), s); err != nil {
		t.Error(err)
	}
}

func TestAFetchThatFailsTwiceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	failure := errors.New("the network failed")
	s := Source{Name: "greeting", Sums: greetingSum, Fill: func(_ context.Context, files, _ string) error {
		return errors.Join(os.WriteFile(filepath.Join(files, "half"), nil, 0o644), failure)
	}}
	if _, err := c.Get(t.Context(), s); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	wantNoRest(t, c)
	var fills atomic.Int32
	if _, err := c.Get(t.Context(), filled(&fills)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAChangedListIsFetchedAgain(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	list := filepath.Join(c.Root, "list.txt")
	s := Source{Name: "listed", Unpinned: true, Lists: []string{"list.txt"}, Fill: func(_ context.Context, files, work string) error {
		return os.Rename(filepath.Join(work, "list.txt"), filepath.Join(files, "copy"))
	}}
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(list, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		dir, err := c.Get(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if fetched, err := os.ReadFile(filepath.Join(dir, "copy")); err != nil || string(fetched) != content {
			t.Errorf("%q instead of %q, %v", fetched, content, err)
		}
	}
}

func TestTheEndOfTheContextEndsAFetch(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("Ctrl-C")
	s := Source{Name: "slow", Unpinned: true, Fill: func(ctx context.Context, _, work string) error {
		cancel(cause)
		return run(ctx, work, "a shell", "sh", "-c", "while :; do sleep 1; done")
	}}
	if _, err := c.Get(ctx, s); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	wantNoRest(t, c)
}

func TestTheErrorOfAPackageManagerHasItsOutput(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), t.TempDir(), "a shell", "sh", "-c", "echo 'no route to host'; exit 1")
	if err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("%v", err)
	}
}

func TestAMissingPackageManagerIsAnErrorThatSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), t.TempDir(), "Maven 3.8 or newer", "no-such-program")
	if err == nil || !strings.Contains(err.Error(), "install Maven 3.8 or newer") {
		t.Errorf("%v", err)
	}
}

func TestThePomNamesArtifactsAndRefusesOthers(t *testing.T) {
	t.Parallel()
	pom, err := pomOf([]string{"org.example:first:1.0", "org.example:second:2.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<artifactId>first</artifactId>", "<version>2.0</version>", "<artifactId>maven-dependency-plugin</artifactId>"} {
		if !strings.Contains(string(pom), want) {
			t.Errorf("no %s in\n%s", want, pom)
		}
	}
	for _, wrong := range []string{"org.example:first", "org.example::1.0", ""} {
		if _, err := pomOf([]string{wrong}); err == nil {
			t.Error(fmt.Sprint("accepted ", wrong))
		}
	}
}
