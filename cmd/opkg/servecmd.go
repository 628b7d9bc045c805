package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func serveCmd(a *app) *cobra.Command {
	var opt ops.ServeOptions
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "serve a registry over HTTP, to try it out",
		Long: `Serve answers requests for the files of the registry in DIR, its site included, and prints its URL when it is ready. Archives are sent as what never
changes, indexes as what is to be asked for again. There are no listings, nothing whose name begins with a dot, and nothing outside of DIR.

It listens on this machine alone. Any other address needs a token, which each request must carry as a bearer token or as a password, or
--public. An interrupt ends it when the requests under way are answered.`,
		Args: args(1, 1, "one directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			opt.Dir, opt.TokenFile, opt.CertFile, opt.KeyFile = within(w, given[0]), within(w, opt.TokenFile), within(w, opt.CertFile), within(w, opt.KeyFile)
			opt.Ready = func(base string) {
				if a.json {
					a.printJSON(map[string]any{"url": base, "directory": opt.Dir})
					return
				}
				fmt.Fprintln(a.stdout, base)
				a.note("serving %s at %s (an interrupt ends it)", a.near(opt.Dir), base)
			}
			return w.Serve(cmd.Context(), opt)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.Addr, "addr", "127.0.0.1:8467", "listen on `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&opt.TokenEnv, "token-env", "", "want the token that the variable `NAME` holds")
	f.StringVar(&opt.TokenFile, "token-file", "", "want the token that `FILE` holds")
	f.StringVar(&opt.CertFile, "tls-cert", "", "serve https with the certificate in `FILE` (PEM)")
	f.StringVar(&opt.KeyFile, "tls-key", "", "the key of the certificate, in `FILE` (PEM)")
	f.BoolVar(&opt.Public, "public", false, "let everybody who reaches this machine read the registry")
	return cmd
}
