/// <reference types="miniprogram-api-typings" />
// What we use of WeChat's platform is what its makers declare.
import type { Answer, Entry, MiniApi, Page as OurPage, TapEvent } from "../../src/mini/api";

wx satisfies MiniApi;
declare const succeeded: WechatMiniprogram.RequestSuccessCallbackResult;
succeeded satisfies Answer;
declare const failed: WechatMiniprogram.RequestFailCallbackErr;
failed satisfies Answer;
declare const entry: WechatMiniprogram.App.LaunchShowOption;
entry satisfies Entry;
declare const page: WechatMiniprogram.Page.TrivialInstance;
page satisfies OurPage;
declare const tap: WechatMiniprogram.TouchEvent;
tap satisfies TapEvent;
({ url: "", method: "POST", data: "", header: {} }) satisfies WechatMiniprogram.RequestOption;
