//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/testserver/servers"
)

func TestTheCommandComesAfterTheServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args             []string
		servers, command []string
	}{
		"servers and a command":    {[]string{"kafka,postgres", "--", "go", "test", "--", "-v"}, []string{"kafka", "postgres"}, []string{"go", "test", "--", "-v"}},
		"no command":               {[]string{"registry"}, []string{"registry"}, nil},
		"the same server repeated": {[]string{"kafka,kafka"}, []string{"kafka"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chosen, command, err := parse(test.args)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range chosen {
				names = append(names, s.Name)
			}
			if diff := cmp.Diff(test.servers, names); diff != "" {
				t.Error(diff)
			}
			if len(command)+len(test.command) > 0 && !cmp.Equal(test.command, command) {
				t.Errorf("%q", command)
			}
		})
	}
}

func TestAWrongCommandLineIsAnErrorWithTheRemedy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no server was named"},
		{[]string{"kafka,oracle"}, `no server "oracle": there are kafka,`},
		{[]string{"kafka", "go", "test"}, "the command comes after --"},
		{[]string{"kafka", "--"}, "no command after --"},
	} {
		if _, _, err := parse(test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v instead of %q", test.args, err, test.want)
		}
	}
}

func TestEachServerIsInTheGuideAndItsSourcesArePinned(t *testing.T) {
	t.Parallel()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range servers.All {
		if names[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		names[s.Name] = true
		if !strings.Contains(string(guide), "| `"+s.Name+"` |") {
			t.Errorf("CONTRIBUTING.md has no row for %s", s.Name)
		}
		for _, v := range s.Variables {
			name, _, _ := strings.Cut(strings.ReplaceAll(v, ":", ","), ",")
			if !strings.Contains(string(guide), name) {
				t.Errorf("CONTRIBUTING.md does not name %s of %s", name, s.Name)
			}
		}
		for _, source := range s.Sources {
			if source.Unpinned == (source.Sums != "") {
				t.Errorf("%s of %s: has checksums: %t, is not pinned: %t", source.Name, s.Name, source.Sums != "", source.Unpinned)
			}
		}
	}
}
