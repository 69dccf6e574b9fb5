package cli

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const module = "github.com/weirstreams/weir"

// Version returns the version of Weir that the program was built with.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path != module {
			continue
		}
		if m.Replace != nil && m.Replace.Version == "" {
			return "(devel)" // a folder
		}
		if m.Replace != nil {
			return m.Replace.Version
		}
		return m.Version
	}
	return "(devel)"
}

func (s *Session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of Weir and Go",
		Example: "  " + s.Name + " version\n  " + s.Name + " version --output json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if s.json {
				return s.PrintJSON(map[string]string{"weir": Version(), "go": goruntime.Version(), "platform": goruntime.GOOS + "/" + goruntime.GOARCH})
			}
			_, err := fmt.Fprintf(s.Out, "weir %s, %s, %s/%s\n", Version(), goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
			return err
		},
	}
}
