//go:build unix

package servers

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Browser prepares Chromium and the libraries that drive it, and starts nothing.
var Browser = server.Server{
	Name:  "browser",
	About: "Chromium of Debian, with playwright-core and axe-core (apt, or chromium in PATH; Node 18, npm)",
	Variables: []string{
		"WEIR_TEST_CHROMIUM: the program, and WEIR_TEST_CHROMIUM_LIBRARIES: a value of LD_LIBRARY_PATH for it",
		"NODE_PATH: a directory of packages",
	},
	Sources: []fetch.Source{chromiumPrograms, browserModules},
	Start: func(ctx context.Context, i *server.Instance) error {
		modules, err := i.Fetch(ctx, browserModules)
		if err != nil {
			return err
		}
		program, err := exec.LookPath("chromium")
		if err != nil { // the script of the package knows only its own place
			root, err := i.Fetch(ctx, chromiumPrograms)
			if err != nil {
				return err
			}
			var libraries []string
			for _, folder := range []string{"", "pulseaudio"} {
				found, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-*", folder))
				if err != nil {
					return err
				}
				libraries = append(libraries, found...)
			}
			program = filepath.Join(root, "usr/lib/chromium/chromium")
			i.Export("WEIR_TEST_CHROMIUM_LIBRARIES", strings.Join(libraries, ":"))
		}
		i.Export("WEIR_TEST_CHROMIUM", program)
		i.Export("NODE_PATH", filepath.Join(modules, "node_modules"))
		return nil
	},
}
