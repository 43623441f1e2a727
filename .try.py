import sys,os,tempfile,importlib.util
os.environ["HF_HUB_OFFLINE"]="1"
from pathlib import Path
def ld(p,n):
    s=importlib.util.spec_from_file_location(n,p);m=importlib.util.module_from_spec(s);sys.modules[n]=m;s.loader.exec_module(m);return m
if __name__=="__main__":
    import torch; torch.set_num_threads(1)
    c=ld("tests/mmtrain/conftest.py","cf"); md=ld("examples/make_data.py","md")
    base=Path(os.environ.get("TRYDIR") or tempfile.mkdtemp())
    class F:
        def mktemp(s,n): (base/n).mkdir(exist_ok=True,parents=True); return base/n
    if not (base/"models/tiny-internvl").exists():
        t=c.tokenizer.__wrapped__() if hasattr(c.tokenizer,"__wrapped__") else c.make_tokenizer(["<img>","</img>","<IMG_CONTEXT>","<ref>","</ref>","<box>","</box>"])
        (getattr(c.tiny,"__wrapped__",None) or c.tiny._fixture_function)(F(),t)
        md.main(str(base/"data"))
    from mmtrain.settings import *
    from mmtrain.trainer import train
    from mmtrain.data.sources import Source
    extra=eval("dict(%s)"%os.environ.get("X",""))
    kw=dict(model=str(base/"models/tiny-internvl"),output_dir=str(base/"run"),train=(Source(path=str(base/"data/internvl.jsonl"),media_root=str(base/"data")),),
      max_length=512,max_steps=20,learning_rate=1e-2,dtype="fp32",dataloader_num_workers=0,report_to=())
    print(train(Settings(**{**kw,**extra})))
